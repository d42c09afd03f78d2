"""What all sections of ``kurir.toml`` have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Common to all sections: unknown keys are mistakes, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
