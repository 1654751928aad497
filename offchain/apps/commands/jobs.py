"""jobs post, list, bid, reveal, award, deliver, accept, settle, dispute, judge, withdraw."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.options import DryRun, HomeFolder, Json, RpcUrl, home_of

if TYPE_CHECKING:
    from offchain.apps.stake import Actor

app = typer.Typer(
    help="Whole pieces of work: sealed bids, milestones, juries.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Role = Annotated[str, typer.Option("--as", help="Role of this home that acts.")]
Number = Annotated[int, typer.Argument(min=1, help="A job of `apogee jobs list`.")]
BUYER, PROVIDER, AUDITOR = "buyer", "provider", "auditor"


@app.command()
def post(  # noqa: PLR0913, PLR0917 - one parameter a flag
    spec: Annotated[str, typer.Argument(help="0x hash of the specification, or @FILE.")],
    budget: Annotated[str, typer.Argument(help="The most it may cost, such as 0.2eth.")],
    plan: Annotated[
        str, typer.Option(help="Milestones, PERCENT:SECONDS of work each.")
    ] = "100:86400",
    kind: Annotated[str, typer.Option(help="Kind of the service that may bid.")] = "chat",
    level: Annotated[str, typer.Option(help="Its least verifiability.")] = "none",
    model: Annotated[str | None, typer.Option(help="0x hash of its model; default: any.")] = None,
    bond: Annotated[float, typer.Option(min=0.01, max=100, help="Of bids, % of budget.")] = 10,
    bid_seconds: Annotated[int, typer.Option(min=1, help="To seal bids.")] = 3_600,
    reveal_seconds: Annotated[int, typer.Option(min=1, help="To open them.")] = 3_600,
    review_seconds: Annotated[int, typer.Option(min=1, help="To look at a milestone.")] = 86_400,
    role: Role = BUYER,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Ask for work and put its budget in.

    Example: apogee jobs post @work.md 0.5eth --plan 40:3600,60:7200
    """
    from offchain.apps import job_market

    wish = job_market.PostWish(
        spec=spec,
        budget=budget,
        plan=plan,
        kind=kind,
        level=level,
        model=model,
        bond_percent=bond,
        bid_seconds=bid_seconds,
        reveal_seconds=reveal_seconds,
        review_seconds=review_seconds,
    )
    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return job_market.post(one, wish)


@app.command("list")
def list_jobs(
    role: Role = BUYER, home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False
) -> int:
    """The newest jobs and what each waits for.  Example: apogee jobs list --json"""
    from offchain.apps import job_market

    with closing(_actor(home, rpc_url, role, as_json=as_json)) as one:
        return job_market.list_jobs(one)


@app.command()
def bid(  # noqa: PLR0913, PLR0917 - one parameter a flag
    job: Number,
    service: Annotated[str, typer.Argument(help="Own service, `apogee compute list`.")],
    price: Annotated[str, typer.Argument(help="For the whole job, such as 0.2eth.")],
    role: Role = PROVIDER,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Seal a bid against its bond.  Example: apogee jobs bid 1 0x5e.. 0.2eth --as provider"""
    from offchain.apps import job_market

    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return job_market.bid(one, job, service, price)


@app.command()
def deliver(  # noqa: PLR0913, PLR0917 - one parameter a flag
    job: Number,
    result: Annotated[str, typer.Argument(help="0x hash of what was made, or @FILE.")],
    receipts: Annotated[str | None, typer.Option(help="0x root over receipts.")] = None,
    role: Role = PROVIDER,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Show what a milestone came to.  Example: apogee jobs deliver 1 @answers.jsonl"""
    from offchain.apps import job_market

    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return job_market.deliver(one, job, result, receipts)


@app.command()
def dispute(  # noqa: PLR0913, PLR0917 - one parameter a flag
    job: Number,
    statement: Annotated[str, typer.Argument(help="0x hash of what is wrong, or @FILE.")],
    role: Role = BUYER,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Have seven auditors judge a milestone.  Example: apogee jobs dispute 1 @why.md"""
    from offchain.apps import job_market

    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return job_market.dispute(one, job, statement)


@app.command()
def judge(  # noqa: PLR0913, PLR0917 - one parameter a flag
    job: Number,
    verdict: Annotated[str | None, typer.Option(help="fine or faulty, as a juror.")] = None,
    role: Role = AUDITOR,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """The next step of a dispute: draw, seal, open, count.

    Example: apogee jobs judge 1 --verdict faulty --as auditor
    """
    from offchain.apps import job_market

    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return job_market.judge(one, job, verdict)


@app.command()
def withdraw(
    role: Role = BUYER,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Take what the market owes the role.  Example: apogee jobs withdraw --as provider"""
    from offchain.apps import job_market

    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return job_market.withdraw(one)


def _add_step(name: str, role: str, told: str) -> None:
    """A command that needs nothing but the job."""

    def step(
        job: Number,
        role: Role = role,
        dry_run: DryRun = False,
        home: HomeFolder = None,
        rpc_url: RpcUrl = None,
        as_json: Json = False,
    ) -> int:
        from offchain.apps import job_market

        with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
            return job_market.STEPS[name](one, job)

    step.__doc__ = f"{told}  Example: apogee jobs {name} 1"
    app.command(name)(step)


_add_step("reveal", PROVIDER, "Open the bid that this home has sealed.")
_add_step("award", BUYER, "Give the job to the best opened bid.")
_add_step("accept", BUYER, "Have the delivered milestone paid.")
_add_step("cancel", BUYER, "Take a job back that nobody has bid for.")
_add_step("settle", BUYER, "Pay after the review, or end what is overdue.")


def _actor(
    home: Path | None, rpc_url: str | None, role: str, *, as_json: bool, dry_run: bool = False
) -> "Actor":
    from offchain.apps.stake import actor

    folder = home_of(home)
    return actor(folder, rpc_url, role, as_json=as_json, is_dry=dry_run)
