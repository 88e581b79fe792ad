"""Stored prompts and their variables.

Shows Context: stored prompts with variables and versions
"""

from typing import Any

import pytest

from antiphon.core.prompts import Filled, PromptVersion, StoredPrompt, fill
from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import FunctionTool, Prompt

TOOLS = (FunctionTool(name="look_up"),)
STORED = {
    "support": StoredPrompt(
        {
            "1": PromptVersion("You help {{ customer }}. Greet {{customer}} first."),
            "2": PromptVersion(
                "You help {{customer}} with {{product}}.", {"product": "phones"}, TOOLS
            ),
        }
    ),
    "plain": StoredPrompt({"a": PromptVersion("Be kind. {not a place} {{}}")}),
}


def filled(name: str, version: str | None = None, **variables: Any) -> Filled:
    prompt = Prompt(id=name, version=version, variables=variables or None)
    return fill(prompt, "session.prompt", STORED)


def refused(name: str, version: str | None = None, **variables: Any) -> tuple[object, object]:
    with pytest.raises(ClientError) as error:
        filled(name, version, **variables)
    return error.value.code, error.value.param


def test_the_last_version_is_the_current_one() -> None:
    assert filled("support", customer="Ann") == Filled("You help Ann with phones.", TOOLS)


def test_a_version_may_be_named() -> None:
    assert filled("support", "1", customer="Ann") == Filled("You help Ann. Greet Ann first.")


def test_what_the_client_says_goes_before_the_default() -> None:
    assert filled("support", customer="Ann", product="{{customer}}").instructions == (
        "You help Ann with {{customer}}."
    )


def test_variables_may_be_content_parts_of_text() -> None:
    part = {"type": "input_text", "text": "Ann"}
    assert filled("support", "1", customer=part).instructions.startswith("You help Ann.")


def test_a_prompt_without_places_needs_nothing() -> None:
    assert filled("plain") == Filled("Be kind. {not a place} {{}}")


def test_what_is_wrong_is_named() -> None:
    assert refused("sales") == ("invalid_value", "session.prompt.id")
    assert refused("support", "3") == ("invalid_value", "session.prompt.version")
    assert refused("support") == (
        "missing_required_parameter",
        "session.prompt.variables.customer",
    )
    assert refused("support", customer="Ann", town="Rome") == (
        "unknown_parameter",
        "session.prompt.variables.town",
    )
    assert refused("support", customer=42) == (
        "invalid_type",
        "session.prompt.variables.customer",
    )
    assert refused("support", customer={"type": "input_image", "image_url": "x"}) == (
        "invalid_parameter",
        "session.prompt.variables.customer",
    )


def test_a_server_without_prompts_says_how_to_have_some() -> None:
    with pytest.raises(ClientError, match=r"\[prompts\.NAME\.VERSION\]"):
        fill(Prompt(id="support"), "response.prompt", {})
