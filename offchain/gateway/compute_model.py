"""What the routes of the compute market take and answer, for OpenAPI; bodies travel untouched.

Requests are parsed by compute/generation.py and answers written by compute/answers.py; the models
here document them. Amounts are base units as decimal strings, prices those of 1,000,000 tokens.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from offchain.gateway.model import Address, Hex, Hex32, Model

MODEL: Final = "smollm2-135m-instruct"
Units = Annotated[str, Field(pattern=r"^[0-9]+$", examples=["2000000000"])]


class OfferShown(Model):
    """One provider's offer of a model."""

    service: Hex32
    provider: Address
    token: Address = Field(description="20 zero bytes: the native coin.")
    input_price: Units = Field(description="For 1,000,000 tokens of input.")
    output_price: Units = Field(description="For 1,000,000 tokens of output.")
    request_price: Units
    max_input: int = Field(examples=[1_536])
    max_output: int = Field(examples=[512])
    level: str = Field(description="From live evidence on the chain.", examples=["AUDITED"])
    simulated: bool = Field(examples=[False])
    serving: bool = Field(examples=[True])
    numerics: str = Field(examples=["TORCH_FP32"])
    charter: Hex32
    median_seconds: float | None = Field(default=None, examples=[0.21])
    failure_rate: float = Field(default=0.0, examples=[0.0])


class ModelShown(Model):
    """A model, and who offers it."""

    id: str = Field(examples=[MODEL])
    object: str = Field(examples=["model"])
    created: int = Field(examples=[1_790_000_000])
    owned_by: str = Field(examples=["apogee"])
    kind: str = Field(examples=["CHAT"])
    model_hash: Hex32
    offers: list[OfferShown] = Field(examples=[[]])


class ModelsShown(Model):
    """Every model with a price."""

    object: str = Field(examples=["list"])
    data: list[ModelShown] = Field(examples=[[]])


class CheckShown(Model):
    """One thing that was found true."""

    name: str = Field(examples=["signature"])
    detail: str = Field(examples=["by the service's signer 0xa1"])


class ReceiptShown(Model):
    """A receipt with the voucher that it is paid by, and what was checked of the answer."""

    request_id: Hex32
    receipt: dict[str, Any] = Field(examples=[{"price": "12"}], description="EIP-712 Receipt.")
    signature: Hex = Field(examples=["0x" + "1b" * 65])
    voucher: dict[str, Any] = Field(examples=[{"cap": "500"}], description="EIP-712 Voucher.")
    voucher_signature: Hex = Field(examples=["0x" + "1b" * 65])
    level: str | None = Field(default=None, examples=["AUDITED"])
    simulated: bool | None = Field(default=None, examples=[False])
    checks: list[CheckShown] = Field(examples=[[]], description="When the answer came, and now.")
    not_proven: list[str] = Field(examples=[["that nobody else saw the request"]])


class ErrorBody(BaseModel):
    """An error as clients of the OpenAI protocol read it."""

    error: dict[str, Any] = Field(
        examples=[
            {
                "message": "The payer has nothing with this provider.",
                "type": "payment_required",
                "code": "deposit_empty",
                "param": None,
                "metadata": {"limit_source": "deposit", "next_step": "Deposit at least `needed`."},
            }
        ]
    )


def request_body(example: dict[str, Any], *needed: str) -> dict[str, Any]:
    """A JSON body in OpenAPI, with the bounds that are refused beyond."""
    text = {"type": "string", "maxLength": 4_000_000}
    message = {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"type": "string", "enum": ["system", "user", "assistant"]},
            "content": text,
        },
    }
    known = {
        "model": {"type": "string", "maxLength": 256},
        "messages": {"type": "array", "items": message, "minItems": 1, "maxItems": 1_024},
        "prompt": {**text, "minLength": 1},
        "input": {"type": "array", "items": {**text, "minLength": 1}, "minItems": 1},
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 1_048_576},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "seed": {"type": "integer"},
        "stream": {"type": "boolean"},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    shown = {name: known[name] for name in known if name in example or name == "metadata"}
    schema = {"type": "object", "required": ["model", *needed], "properties": shown}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "description": "JSON, 4 MiB.", "content": content}}
