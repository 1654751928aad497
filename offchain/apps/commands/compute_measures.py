"""compute odds, compute calibrate: what audits are worth, and the limits they judge by."""

from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register these beside the other commands of the market."""
    for function in (odds, calibrate):
        app.command()(function)


def odds(
    rate: Annotated[float | None, typer.Option(help="Also for this share of answers.")] = None,
    detection: Annotated[float, typer.Option(help="How likely a drawn cheat is seen.")] = 0.99,
    cheated_share: Annotated[float, typer.Option(help="Answers a provider cheats on.")] = 0.1,
    price: Annotated[str | None, typer.Option(help="Of a request, such as 5gwei.")] = None,
    stake: Annotated[str | None, typer.Option(help="What a found cheat costs.")] = None,
    as_json: Json = False,
) -> int:
    """How many answers must be audited so that cheating loses money.

    Example: apogee compute odds --price 5gwei --stake 0.001eth
    """
    from offchain.apps.measure_compute import OddsWish, show_odds

    return show_odds(OddsWish(rate, detection, cheated_share, price, stake), as_json=as_json)


def calibrate(  # noqa: PLR0913, PLR0917 - one parameter a flag
    model: Annotated[str, typer.Argument(help="smollm2, or a directory of safetensors.")],
    served: Annotated[str, typer.Option(help="How it is served: fp32, bf16.")] = "fp32",
    checked: Annotated[str, typer.Option(help="How it is checked: fp32, bf16.")] = "fp32",
    device: Annotated[str, typer.Option(help="Where it is served: cpu, cuda.")] = "cpu",
    checking_device: Annotated[str, typer.Option(help="Where it is checked.")] = "cpu",
    answers: Annotated[int, typer.Option(min=1, max=10_000, help="Honest answers.")] = 24,
    tokens: Annotated[int, typer.Option(min=1, max=4_096, help="Of each answer.")] = 64,
    home: HomeFolder = None,
    as_json: Json = True,
) -> int:
    """Measure how far honest machines are apart; prints JSON, always.

    Example: apogee compute calibrate smollm2 --served bf16 --json
    """
    from offchain.apps.measure_compute import CalibrateWish, show_calibration

    del as_json
    wish = CalibrateWish(model, served, checked, device, checking_device, answers, tokens)
    return show_calibration(home_of(home), wish)
