"""Settings: one TOML file and ``TIDECAST_`` variables, read once into frozen models."""

from tidecast.state.settings.deep import DeepSettings
from tidecast.state.settings.events import (
    CovariateSettings,
    MarkSettings,
    RegionsSettings,
    SeriesSettings,
    SourceSettings,
    StreamKind,
    TimeSettings,
)
from tidecast.state.settings.load import load_settings, parse_settings
from tidecast.state.settings.root import (
    BinsSettings,
    ForecastSettings,
    LimitsSettings,
    Settings,
    ShopSettings,
)
from tidecast.state.settings.services import (
    CheckpointsSettings,
    ClickHouseSettings,
    KafkaSettings,
    MetricsSettings,
    SaslSettings,
    TlsSettings,
)

__all__ = [
    "BinsSettings",
    "CheckpointsSettings",
    "ClickHouseSettings",
    "CovariateSettings",
    "DeepSettings",
    "ForecastSettings",
    "KafkaSettings",
    "LimitsSettings",
    "MarkSettings",
    "MetricsSettings",
    "RegionsSettings",
    "SaslSettings",
    "SeriesSettings",
    "Settings",
    "ShopSettings",
    "SourceSettings",
    "StreamKind",
    "TimeSettings",
    "TlsSettings",
    "load_settings",
    "parse_settings",
]
