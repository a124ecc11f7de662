"""`dumb config`."""

from typing import Annotated

import typer

from services.cli.desk import Desk, desk_of

Service = Annotated[
    str,
    typer.Option(
        "--service", "-s", metavar="NAME", help="Keys below the block of this service only."
    ),
]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Secrets in clear; the audit trail notes it.")
]
Apply = Annotated[
    bool, typer.Option("--apply", help="Restart what runs with old values, one after another.")
]
Tree = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    config = typer.Typer(no_args_is_help=True, help="Read and change the configuration.")
    config.command("get")(get)
    config.command("set", context_settings={"ignore_unknown_options": True})(put)
    config.command("edit")(edit_it)
    config.command()(versions)
    config.command()(diff)
    config.command()(restore)
    app.add_typer(config, name="config", rich_help_panel="Configuration")


def get(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Such as sonarr.port.")] = "",
    *,
    service: Service = "",
    reveal: Reveal = False,
    tree: Annotated[bool, typer.Option("--json", help="Text in quotes as well.")] = False,
) -> None:
    """Print the configuration that is in force, or a part of it.

    Text is printed as it is, everything else as JSON.
    """
    from services.cli.config.show import show_value

    desk = desk_of(context)
    show_value(desk.client, desk.terminal, key, service, reveal=reveal, quoted=tree)


def put(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Such as sonarr.port.")],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="JSON, or text that needs no quotes.")
    ],
    *,
    service: Service = "",
    text: Annotated[bool, typer.Option("--text", help="VALUE is text, whatever it is.")] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Until the supervisor restarts; not into the file.")
    ] = False,
    apply: Apply = False,
) -> None:
    """Change one value, in the file unless --memory.

    dumb config set dumb.log_count 5, dumb config set -s Sonarr port 8990 --apply
    """
    from services.cli.config.show import set_value

    desk = desk_of(context)
    typed = (key, value, service)
    set_value(desk.client, desk.terminal, *typed, text=text, memory=memory, apply=apply)


def edit_it(
    context: typer.Context, *, service: Service = "", reveal: Reveal = False, apply: Apply = False
) -> None:
    """Open it in an editor (VISUAL, EDITOR), check it, and save what was changed.

    Secrets are shown as ***, which means unchanged.
    """
    from services.cli.config.edit import edit

    desk = desk_of(context)
    edit(desk.client, desk.terminal, desk.environ, service, reveal=reveal, apply=apply)


def versions(context: typer.Context, *, tree: Tree = False) -> None:
    """List the last 20 versions: when, who, what."""
    from services.cli.config.versions import list_versions

    desk = desk_of(context)
    list_versions(desk.client, desk.terminal, tree=tree)


def diff(
    context: typer.Context,
    version: Annotated[
        int | None, typer.Argument(metavar="VERSION", min=1, help="The newest, unless given.")
    ] = None,
    *,
    tree: Tree = False,
) -> None:
    """Print what a version changed in the one before it."""
    from services.cli.config.versions import diff as show

    desk = desk_of(context)
    show(desk.client, desk.terminal, version, tree=tree)


def restore(
    context: typer.Context,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1)],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make the file what it was in a version, as a new version."""
    from services.cli.config.versions import restore as put_back

    desk: Desk = desk_of(context)
    if not yes:
        desk.terminal.confirm(f"Make the configuration what it was in version {version}?")
    put_back(desk.client, desk.terminal, version)
