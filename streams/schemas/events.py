"""The contract of what tidecast reads: click, order, logistics and stock events.

The models describe an event under our own field names. A source whose records use other names,
words or units of time is mapped to them by its settings (``[[sources]]``) before it is judged.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from tidecast.state.cells import ALL, OVERFLOW
from tidecast.state.settings import StreamKind

__all__ = [
    "EVENT_MODELS",
    "MAX_NAME",
    "ClickEvent",
    "Event",
    "Finite",
    "LogisticsEvent",
    "Name",
    "OrderEvent",
    "SignedOrderEvent",
    "StockEvent",
    "as_text",
    "check_name",
]

MAX_NAME = 128
"""The characters a region or category may have."""


def as_text(value: object) -> object:
    """Return a whole number as its text, and anything else as it is.

    Examples
    --------
    >>> as_text(5.0), as_text("5.0"), as_text(True)
    ('5', '5.0', True)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and not value.is_integer():
        return value
    return str(int(value))


def check_name(text: str) -> str:
    """Return ``text`` if it can name a region or category.

    Raises
    ------
    ValueError
        When it is empty, too long, reserved, or holds control characters or lone surrogates.
    """
    if not 0 < len(text) <= MAX_NAME:
        raise ValueError(f"a name has 1 to {MAX_NAME} characters, this one {len(text)}")
    if text in OVERFLOW or text == ALL:
        raise ValueError(f"the name {text} is reserved")
    if not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise ValueError("a name holds no control characters and no lone surrogates")
    return text


Written = Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME)] | StrictInt
Text = Annotated[str, BeforeValidator(as_text, json_schema_input_type=Written)]
Name = Annotated[Text, AfterValidator(check_name)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Finite, Field(ge=0)]
Latitude = Annotated[Finite, Field(ge=-90, le=90)]
Longitude = Annotated[Finite, Field(ge=-180, le=180)]


class Event(BaseModel):
    """What events of all streams share. Fields that are not listed are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    event_time: StrictStr | StrictInt | StrictFloat = Field(
        description="when it happened: ISO 8601, or as the source's settings say"
    )
    region: Name = Field(
        description="where: the first key of a cell; a number is taken as its digits"
    )
    category: Name = Field(
        description="what: the second key of a cell; a number is taken as its digits"
    )
    event_id: JsonValue = Field(
        default=None,
        description="the producer's name of the event, a text or a whole number; "
        "read where the source's settings say deduplicate = true",
    )
    lat: Latitude | None = Field(
        default=None, description="needed where regions are computed from positions"
    )
    lng: Longitude | None = None


class ClickEvent(Event):
    """Somebody looked at, chose or bought something."""

    kind: Literal["view", "cart", "favourite", "purchase"]
    value: Positive | None = None


class OrderEvent(Event):
    """Units were ordered, or an order was cancelled or returned: an event of its own."""

    kind: Literal["order", "cancellation", "return"]
    units: Positive
    amount: Positive | None = None


class SignedOrderEvent(OrderEvent):
    """An order of a source whose settings say negative_units = "subtract"."""

    units: Finite
    amount: Finite | None = None


class LogisticsEvent(Event):
    """A parcel reached a step of its way; ``hours`` is what the step took."""

    kind: Literal["dispatched", "shipped", "delivered", "failed", "returned"]
    hours: Positive | None = None
    units: Positive | None = None


class StockEvent(Event):
    """Something cannot be bought, or can again: sold out, its region closed, or available."""

    kind: Literal["sold_out", "closed", "available"]


EVENT_MODELS: dict[StreamKind, type[Event]] = {
    StreamKind.CLICK: ClickEvent,
    StreamKind.ORDER: OrderEvent,
    StreamKind.LOGISTICS: LogisticsEvent,
    StreamKind.STOCK: StockEvent,
}
