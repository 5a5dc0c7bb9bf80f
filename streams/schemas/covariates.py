"""The contract of records that tell covariates."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from tidecast.streams.schemas.events import Finite, Name

__all__ = ["CovariateRecord"]


class CovariateRecord(BaseModel):
    """A value of a covariate in a bin, or in several. Fields that are not listed are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: StrictStr = Field(description="of the covariate, as in the settings")
    time: StrictStr = Field(
        description="of the bin that it lies in: ISO 8601, the shop's local time without an offset"
    )
    until: StrictStr | None = Field(
        default=None, description="the value is of all bins that begin before this time"
    )
    region: Name | None = Field(default=None, description="where the covariate is by region")
    category: Name | None = Field(default=None, description="where the covariate is by category")
    value: Finite | None = Field(description="null takes back what was told")
    known_at: StrictStr | None = Field(
        default=None, description="no forecast from an earlier origin knows the value"
    )
