"""`apogee compute odds` and `apogee compute calibrate`: what audits are worth, and their limits."""

from dataclasses import asdict, dataclass

from offchain.apps.amounts import parse_amount
from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home
from offchain.apps.output import print_fields, print_json, print_table
from offchain.compute.economics import STAKE_COVER, audit_odds, odds_table
from offchain.compute.least_rate import least_rate
from offchain.core.errors import InvalidInput

PROMPTS = (
    "Write three sentences about the sea.",
    "What is the sum of 17 and 25?",
    "Name the months of spring.",
    "Explain why the sky is blue.",
    "Translate 'good morning' into French.",
    "List five animals that lay eggs.",
    "Who wrote the Odyssey?",
    "Describe a bicycle to somebody who has never seen one.",
)


@dataclass(frozen=True, slots=True)
class OddsWish:
    """What was typed; none of price and stake: the table alone."""

    rate: float | None
    detection: float
    cheated_share: float
    price: str | None
    stake: str | None


@dataclass(frozen=True, slots=True)
class CalibrateWish:
    """What was typed."""

    model: str
    served: str
    checked: str
    device: str
    checking_device: str
    answers: int
    tokens: int


def show_odds(wish: OddsWish, *, as_json: bool) -> int:
    """The table of rates and detections, and the least rate for a price and a stake."""
    lines = list(odds_table())
    if wish.rate is not None:
        lines.insert(
            0,
            audit_odds(rate=wish.rate, detection=wish.detection, cheated_share=wish.cheated_share),
        )
    told: dict[str, object] = {"table": [asdict(line) for line in lines]}
    if wish.price is not None and wish.stake is not None:
        gain, stake = parse_amount(wish.price), parse_amount(wish.stake)
        least = least_rate(gain=gain, stake=stake, detection=wish.detection)
        told |= {"least_rate": least, "is_enough": least <= 1, "cover": STAKE_COVER}
    elif wish.price is not None or wish.stake is not None:
        raise InvalidInput("a price and a stake go together")
    if as_json:
        print_json(told)
        return ExitCode.DONE
    columns = ("rate", "detection", "stake / gain", "draws", "answers", "audits / served")
    cells = [
        (
            f"{line.rate:.3f}",
            f"{line.detection:.3f}",
            f"{line.stake_per_gain:.1f}",
            line.draws_to_catch,
            line.answers_to_catch,
            f"{line.audit_share:.4f}",
        )
        for line in lines
    ]
    share = f"{wish.cheated_share:.0%}" if wish.rate is not None else "10%"
    print_table(f"what cheating costs; caught at 95 % who cheats on {share}", columns, cells)
    if "least_rate" in told:
        print_fields({name: told[name] for name in ("least_rate", "is_enough", "cover")})
    return ExitCode.DONE


def show_calibration(home: Home, wish: CalibrateWish) -> int:
    """Measure honest answers of a model on two devices, and print limits and their curve."""
    from offchain.compute.adapters.calibrate_torch import Trial, calibrate_pair
    from offchain.compute.adapters.open_engine import EngineSpec, model_folder
    from offchain.compute.adapters.torch_model import TorchPlace, load_model
    from offchain.compute.model import Numerics

    classes = {"fp32": Numerics.TORCH_FP32, "bf16": Numerics.TORCH_BF16}
    unknown = {wish.served, wish.checked} - set(classes)
    if unknown:
        raise InvalidInput("numerics that can be calibrated are fp32 and bf16", found=min(unknown))
    folder = model_folder(EngineSpec(wish.model), home.root / "models")
    serving = load_model(folder, TorchPlace(classes[wish.served], wish.device))
    checking = load_model(folder, TorchPlace(classes[wish.checked], wish.checking_device))
    prompts = [f"{PROMPTS[n % len(PROMPTS)]} ({n})" for n in range(wish.answers)]
    found = calibrate_pair(serving, checking, Trial(prompts, wish.tokens))
    print_json(found.as_json())
    return ExitCode.DONE
