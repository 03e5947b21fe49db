"""The parameters that decide what becomes of one record, before tests and repetitions."""

from typing import Literal

from pydantic import Field

from lemur.core.params import StageParams


class Conversion(StageParams):
    system_turns: Literal["keep", "drop"] = Field(description="what to do with system prompts")
    html_sources: list[str] = Field(description="sources scraped from web pages; their HTML becomes Markdown")
    minimum_characters: int = Field(ge=0, description="drop conversations with fewer characters in total")
    blocked_phrases: list[str] = Field(description="drop a conversation if any message contains one (ignoring case)")
    oasst_reviewed_only: bool = Field(description="OASST1: only messages with a positive review result")
    oasst_synthetic: bool = Field(description="OASST1: include messages that a model wrote")
