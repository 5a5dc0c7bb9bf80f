"""The wire contracts as files: a JSON Schema for each record, and one AsyncAPI document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tidecast.streams.schemas.checkpoints import CheckpointManifest
from tidecast.streams.schemas.covariates import CovariateRecord
from tidecast.streams.schemas.cuts import (
    AdmissionRecord,
    AnnouncementRecord,
    CutRecord,
    IdleRecord,
    JoinRecord,
    PartitionListRecord,
    RefitRecord,
)
from tidecast.streams.schemas.events import ClickEvent, LogisticsEvent, OrderEvent, StockEvent
from tidecast.streams.schemas.forecasts import PredictionRecord, ProgressRecord, ScoreRecord
from tidecast.streams.schemas.rejects import DeadLetterRecord, LateBinsRecord, LateRecord
from tidecast.streams.schemas.windows import DeepForecastRecord, WindowRecord

__all__ = ["CHANNELS", "Channel", "asyncapi", "exported_files", "json_schemas"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Channel:
    """A topic: the records on it, who writes it, and what it is for.

    ``address`` has one parameter in braces; ``send`` tells that tidecast writes the topic.
    """

    name: str
    address: str
    summary: str
    models: tuple[type[BaseModel], ...]
    send: bool = True


def _written(name: str, summary: str, *models: type[BaseModel]) -> Channel:
    return Channel(name, f"{{prefix}}.{name}", summary, models)


def _source(name: str, summary: str, model: type[BaseModel]) -> Channel:
    return Channel(name, "{topic}", summary, (model,), send=False)


CHANNELS = (
    _source("clicks", "Events of a source with stream = click.", ClickEvent),
    _source("orders", "Events of a source with stream = order.", OrderEvent),
    _source("logistics", "Events of a source with stream = logistics.", LogisticsEvent),
    _source("stock", "Events of a source with stream = stock.", StockEvent),
    _source("covariates", "What is told of covariates that name a topic.", CovariateRecord),
    _written(
        "cuts",
        "What each source partition adds to each bin, and the decisions: the forecaster's input.",
        AdmissionRecord,
        AnnouncementRecord,
        CutRecord,
        IdleRecord,
        JoinRecord,
        PartitionListRecord,
        RefitRecord,
    ),
    _written("windows", "Closed bins of all cells, and corrections.", WindowRecord),
    _written("deep-forecasts", "Answers of deep models.", DeepForecastRecord),
    _written("predictions", "Forecasts, one record a cell and series.", PredictionRecord),
    _written("scores", "How the forecasts of closed bins fared.", ScoreRecord),
    _written("progress", "How far time has come: bins closed.", ProgressRecord),
    _written(
        "late",
        "Records that came too late for their bin, and bins of a partition that woke up too late.",
        LateRecord,
        LateBinsRecord,
    ),
    _written("dead-letters", "Records that break their contract.", DeadLetterRecord),
    _written(
        "checkpoints",
        "State of the workers: chunks of bytes, each set completed by a manifest.",
        CheckpointManifest,
    ),
)
"""Every topic that tidecast reads or writes."""

PARAMETERS = {
    "prefix": {"description": "kafka.topic_prefix of the settings", "default": "tidecast"},
    "topic": {"description": "topic of the source, or of the covariate, in the settings"},
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each record by the record's name."""
    return {
        model.__name__: {"$schema": DIALECT, **model.model_json_schema()}
        for channel in CHANNELS
        for model in channel.models
    }


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of all topics."""
    models = [model for channel in CHANNELS for model in channel.models]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "tidecast",
            "version": version("tidecast"),
            "description": "Events of an online shop in, calibrated forecasts out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {channel.name: _operation(channel) for channel in CHANNELS},
        "components": {
            "messages": {model.__name__: _message(model) for model in models},
            "schemas": definitions["$defs"],
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    parameter = channel.address[1:].partition("}")[0]
    return {
        "address": channel.address,
        "summary": channel.summary,
        "parameters": {parameter: PARAMETERS[parameter]},
        "messages": {
            model.__name__: {"$ref": f"#/components/messages/{model.__name__}"}
            for model in channel.models
        },
    }


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": "send" if channel.send else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
    }


def _message(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "name": model.__name__,
        "summary": (model.__doc__ or "").partition("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def exported_files() -> dict[Path, str]:
    """Return the text of each file by its path below the folder of the export."""
    files: dict[Path, Any] = {Path("asyncapi.json"): asyncapi()}
    for name, schema in json_schemas().items():
        files[Path("schemas") / f"{name}.json"] = schema
    return {
        path: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for path, content in files.items()
    }
