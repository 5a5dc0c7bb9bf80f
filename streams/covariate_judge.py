"""The judge of records that tell covariates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from pydantic import ValidationError

from tidecast.state.bins import BinGrid, to_micros
from tidecast.state.covariates import LARGEST
from tidecast.state.cuts import Announced
from tidecast.state.errors import ContractError
from tidecast.state.settings import CovariateSettings, Settings
from tidecast.streams.schemas.covariates import CovariateRecord

__all__ = ["MOST_BINS", "CovariateJudge"]

MOST_BINS = 10_000
"""Bins that one record may be of: a year of hours."""

LONGEST_REASON = 300


class CovariateJudge:
    """Decides about single records of one covariates' topic."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._covariates: Mapping[str, CovariateSettings] = {
            of.name: of for of in settings.covariates if of.topic == topic
        }
        self._grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        self._limits = settings.limits

    def judge(self, offset: int, value: bytes | None) -> Announced:
        """Return what the record at ``offset`` says.

        Raises
        ------
        ContractError
            When it breaks the contract: a short stable code, a colon and a sentence.
        """
        record = self._parsed(value)
        if (of := self._covariates.get(record.name)) is None:
            known = ", ".join(self._covariates)
            raise ContractError(f"unknown_covariate: {record.name[:64]!r} is none of {known}")
        self._check_place(of, record)
        first = last = self._bin(self._micros(record.time))
        if record.until is not None:
            last = self._bin(self._micros(record.until) - 1)
        if not 0 <= last - first < MOST_BINS:
            raise ContractError(
                f"bad_span: until must be later than time, and at most {MOST_BINS:,} bins"
            )
        number = math.nan if record.value is None else float(record.value)
        if abs(number) > LARGEST:
            raise ContractError(
                f"out_of_range: value must lie between -{LARGEST:g} and {LARGEST:g}"
            )
        known_at = None if record.known_at is None else self._micros(record.known_at)
        place = record.region, record.category
        return Announced(offset, record.name, first, last, *place, number, known_at)

    def _parsed(self, value: bytes | None) -> CovariateRecord:
        if len(value or b"") > self._limits.record_bytes:
            raise ContractError(f"too_large: more than {self._limits.record_bytes:,} bytes")
        try:
            return CovariateRecord.model_validate_json(value or b"")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ContractError(f"bad_record: {where} {first['msg']}"[:LONGEST_REASON]) from None

    @staticmethod
    def _check_place(of: CovariateSettings, record: CovariateRecord) -> None:
        for part in ("region", "category"):
            if (getattr(record, part) is not None) != (part in of.by):
                by = " and ".join(of.by) or "neither region nor category"
                raise ContractError(f"bad_place: {of.name} is told by {by}, see its settings")

    def _micros(self, text: str) -> int:
        """Return microseconds of a time; without an offset it is the shop's local time."""
        try:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=self._grid.zone)
            micros = to_micros(moment)
        except (ValueError, OverflowError) as error:
            raise ContractError(f"bad_time: {text[:40]!r} is no ISO 8601 time") from error
        if not to_micros(self._limits.not_before) <= micros < to_micros(self._limits.not_after):
            raise ContractError(f"out_of_range: {text[:40]!r} is not within the limits of time")
        return micros

    def _bin(self, micros: int) -> int:
        return int(self._grid.index(np.array([micros]))[0])
