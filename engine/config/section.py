"""What every table of the file has in common, and the ranges that numbers in them may have."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Place = Annotated[Path, BeforeValidator(lambda value: Path(value).expanduser() if isinstance(value, str) else value)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Pause = Annotated[float, Field(ge=0, le=3600)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(gt=0, le=1)]
Percent = Annotated[Decimal, Field(ge=0, le=10)]
Amount = Annotated[Decimal, Field(gt=0, le=10**12)]
Funds = Annotated[Decimal, Field(ge=0, le=10**12)]


class Section(BaseModel):
    """One table of the file. Unknown keys are faults, and so is a number that is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
