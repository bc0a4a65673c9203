"""``lilfox runbook``: lists, shows, lints and runs runbooks."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.cli.main import Subcommand, subcommands
from lilfox_tui.cli.output import Cell, no_colour, print_json, print_line, print_table, warn
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.cli.runbook_console import RunConsole, RunPrompts, allow_first_run
from lilfox_tui.cli.runbook_dry_run import (
    about,
    ask,
    dry_run,
    dry_run_document,
    given,
    missing,
    offers,
    pair,
    refuse_unsafe,
    with_defaults,
)
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.model import RunbooksConfig
from lilfox_tui.core.errors import ConfigError, UsageError
from lilfox_tui.core.i18n import _, listed, ngettext, tr
from lilfox_tui.incident.incidents import chosen
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.redact import redact
from lilfox_tui.runbook.control import begin, open_incident_for
from lilfox_tui.runbook.library import catalogue, local_copies, ordered, refuse_first_run
from lilfox_tui.runbook.lint import lint
from lilfox_tui.runbook.model import BUNDLED, Command, Document, Problem, Runbook, Step
from lilfox_tui.runbook.parse.document import read, read_or_told
from lilfox_tui.runbook.run.gate import asks_with, refuse_unknown, words
from lilfox_tui.runbook.run.persistence import newest_run, refuse_broken, request_of_run, runbook_of
from lilfox_tui.runbook.run.protocol import RunAll, UseText
from lilfox_tui.runbook.run.state import asks, hosts_of, kind_text, runnable

if TYPE_CHECKING:
    from lilfox_tui.cli.runbook_console import Answer
    from lilfox_tui.config.loader import LoadedConfig
    from lilfox_tui.config.model import Config
    from lilfox_tui.runbook.model import Variable


# The document that a word of the command line means: a file, or the id of a runbook that is known.


def runbooks_config(args: argparse.Namespace) -> RunbooksConfig:
    """The runbook configuration, with language and colours applied. If the configuration is unusable, prints a warning
    but still allows files and the runbooks shipped with LilFox."""
    try:
        return load_settings(args).config.runbooks
    except ConfigError as error:
        if args.no_color:
            no_colour()
        warn(error.problems[0] if error.problems else str(error))
        return RunbooksConfig()


def runbook_document(word: str, config: RunbooksConfig) -> Document:
    """The document of a file, of ``library:NAME.md``, of an id in the catalogue (then with that runbook alone), or of a
    page of which there is a local copy. Raises LilFoxError."""
    if "://" in word:
        return _local_copy(word, config)
    path = Path(word)
    if path.exists() or (path.suffix and not word.startswith(BUNDLED)):
        return read(path)
    for each in catalogue(config):
        if each.path == word:
            return each
        if found := [runbook for runbook in each.runbooks if runbook.id == word]:
            return replace(each, runbooks=tuple(found))
    raise UsageError(tr("{word}: no such file or runbook id", word=word), tr("see: lilfox runbook list"))


def _local_copy(url: str, config: RunbooksConfig) -> Document:
    """The document that is a local copy of ``url``, with the runbooks that it means. Raises UsageError."""
    documents = catalogue(config)
    found = local_copies(url, documents)
    paths = list(dict.fromkeys(each.path for each in found))
    if len(paths) != 1:
        raise UsageError(
            tr("{url}: several files could be this page: {paths}", url=url, paths=listed(paths))
            if paths
            else tr("{url}: no local copy of this page", url=url),
            tr("add its folder under runbooks: folders: in the configuration, or specify a file"),
        )
    document = next(each for each in documents if each.path == paths[0])
    return replace(document, runbooks=tuple(found))


def sound_document(word: str, config: RunbooksConfig) -> Document:
    """Like :func:`runbook_document`, but also raises LilFoxError if the document has an error or no runbook, so that no
    part of it can run."""
    found = runbook_document(word, config)
    refuse_broken(found)
    return found


def problem_line(path: str, problem: Problem) -> str:
    """``path:line: severity: what [code]``, with secrets masked."""
    word = tr("error") if problem.severity == "error" else tr("warning")
    return f"{path}:{problem.line}: {word}: {redact(problem.text)} [{problem.code}]"


# ``lilfox runbook list``: those of the configuration's files and folders, and those that LilFox brings.


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``runbook list``."""
    parser.add_argument(
        "--alert", action="append", default=[], metavar="NAME", help=_("a firing alert: its runbooks come first")
    )
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def run_list(args: argparse.Namespace) -> int:
    """Prints one line per runbook; returns 3 if a file could not be read completely."""
    if args.json_schema:
        print_schema("runbook-list")
        return 0
    documents = catalogue(runbooks_config(args))
    runbooks = ordered([runbook for document in documents for runbook in document.runbooks], args.alert)
    broken = [each for each in documents if any(problem.severity == "error" for problem in each.problems)]
    if args.json:
        print_json({"runbooks": [_list_document(runbook) for runbook in runbooks], "problems": _problems(broken)})
    else:
        _print_list(runbooks)
    for each in broken:
        for problem in each.problems:
            if problem.severity == "error":
                warn(problem_line(each.path, problem))
    return 3 if broken else 0


def _print_list(runbooks: Sequence[Runbook]) -> None:
    if not runbooks:
        print_line(_("no runbooks"))
        return
    heading = [Cell(_("ID")), Cell(_("title")), Cell(_("steps"), right=True), Cell(_("for alerts")), Cell(_("where"))]
    print_table(
        [
            heading,
            *(
                [
                    Cell(runbook.id),
                    Cell(runbook.title),
                    Cell(str(len(runbook.steps)), right=True),
                    Cell(" ".join(runbook.on_alert) or "-"),
                    Cell(f"{runbook.path}:{runbook.line}"),
                ]
                for runbook in runbooks
            ),
        ]
    )


def _list_document(runbook: Runbook) -> dict[str, object]:
    return {
        "id": runbook.id,
        "title": runbook.title,
        "path": runbook.path,
        "line": runbook.line,
        "sha256": runbook.sha256,
        "steps": len(runbook.steps),
        "severity": runbook.severity,
        "on_alert": list(runbook.on_alert),
        "language": runbook.language,
    }


def _problems(broken: Sequence[Document]) -> list[dict[str, object]]:
    return [
        {"path": each.path, "line": problem.line, "code": problem.code, "text": problem.text}
        for each in broken
        for problem in each.problems
        if problem.severity == "error"
    ]


# ``lilfox runbook show``: a file as LilFox reads it. Nothing is run; secrets in its text are masked.


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``runbook show``."""
    parser.add_argument("runbook", nargs="?", metavar="FILE", help=_("a Markdown file, or the id of a runbook"))
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def run_show(args: argparse.Namespace) -> int:
    """Prints the runbooks of the file, and its problems on stderr; returns 1 if it has an error or no runbook."""
    if args.json_schema:
        print_schema("runbook-show")
        return 0
    if args.runbook is None:
        raise UsageError(tr("no runbook given"), tr("for example: lilfox runbook show incident.md"))
    found = runbook_document(args.runbook, runbooks_config(args))
    if args.json:
        print_json([_show_document(runbook) for runbook in found.runbooks])
    else:
        for number, runbook in enumerate(found.runbooks):
            if number:
                print_line()
            _print_runbook(runbook)
    for problem in found.problems:
        warn(problem_line(found.path, problem))
    return 1 if not found.runbooks or any(problem.severity == "error" for problem in found.problems) else 0


def _print_runbook(runbook: Runbook) -> None:
    print_line(f"{runbook.title}  {runbook.path}:{runbook.line}")
    for variable in runbook.variables:
        print_line(f"   {about(variable)}")
    group = ""
    for number, step in enumerate(runbook.steps, 1):
        print_line()
        if step.group != group:
            group = step.group
            print_line(redact(group))
            print_line()
        print_line(f"{number}. {step.title}")
        for text in step.prose:
            print_line(f"   {redact(text)}")
        for text in step.checklist:
            print_line(f"   - {redact(text)}")
        print_table([row for command in step.commands for row in _command_rows(command)])
    if runbook.links:
        print_line()
        print_line(_("see also:"))
    for link in runbook.links:
        place = link.path if Path(link.path).is_file() else _("(no local copy)")
        print_line(f"   {redact(link.text)}  {place}")


def _command_rows(command: Command) -> Iterator[tuple[Cell, ...]]:
    attributes = command.attributes
    words = [kind_text(command.kind)]
    words += [_("check")] if attributes.check else []
    words += [_("rollback of {name}", name=attributes.rollback_of)] if attributes.rollback_of else []
    word = listed(words) + (f" ({attributes.host})" if attributes.host else "")
    for line in redact(command.text).split("\n"):
        yield Cell(f"   {word}"), Cell(line)
        word = ""
    if command.refused:
        yield Cell("   " + _("not run")), Cell(redact(command.refused))
    word = _("output")
    for line in redact(command.output).split("\n") if command.output else ():
        yield Cell(f"   {word}"), Cell(line)
        word = ""


def _show_document(runbook: Runbook) -> dict[str, object]:
    return {
        "title": runbook.title,
        "path": runbook.path,
        "steps": [
            {
                "title": step.title,
                "group": step.group,
                "commands": [*_by_hand(step), *map(_command_document, step.commands)],
            }
            for step in runbook.steps
        ],
        "links": [
            {"text": redact(link.text), "path": link.path, "exists": Path(link.path).is_file()}
            for link in runbook.links
        ],
    }


def _by_hand(step: Step) -> Iterator[dict[str, object]]:
    """The text of a step besides its commands: shown, never run."""
    if text := "\n".join((*step.prose, *step.checklist)):
        yield {"text": redact(text), "kind": "none", "language": "", "placeholders": []}


def _command_document(command: Command) -> dict[str, object]:
    return {
        "text": redact(command.text),
        "kind": command.kind,
        "language": command.language,
        "placeholders": list(dict.fromkeys(placeholder.name for placeholder in command.placeholders)),
        **({"output": redact(command.output)} if command.output else {}),
        **({"refused": redact(command.refused)} if command.refused else {}),
    }


# ``lilfox runbook lint``: for a person, and for what checks a team's files before they are merged.


def add_lint_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``runbook lint``."""
    parser.add_argument(
        "runbook_files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help=_("Markdown files, with or without runbooks; default: all files that lilfox runbook list reads"),
    )
    parser.add_argument("--strict", action="store_true", help=_("exit 1 for warnings too"))
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def run_lint(args: argparse.Namespace) -> int:
    """Prints the problems found; returns 1 if a file has an error, with ``--strict`` also for a warning."""
    if args.json_schema:
        print_schema("runbook-lint")
        return 0
    found: list[tuple[str, Document, list[Problem]]] = []
    for name, document in _lint_documents(args):
        found.append((name, document, lint(document)))
    errors = any(problem.severity == "error" for _name, _document, problems in found for problem in problems)
    if args.json:
        print_json({"good": not errors, "files": [_findings_as_json(*each) for each in found]})
    else:
        for name, document, problems in found:
            _print_findings(name, document, problems)
    return 1 if errors or (args.strict and any(problems for _name, _document, problems in found)) else 0


def _lint_documents(args: argparse.Namespace) -> list[tuple[str, Document]]:
    """The documents to lint, each with the file name as given."""
    config = runbooks_config(args)
    if not args.runbook_files:
        documents = catalogue(config)
        if not documents:
            raise UsageError(tr("no runbook given"), tr("for example: lilfox runbook lint runbooks/*.md"))
        return [(document.path, document) for document in documents]
    return [(str(path), read_or_told(path)) for path in args.runbook_files]


def _print_findings(name: str, document: Document, problems: Sequence[Problem]) -> None:
    for problem in problems:
        print_line(problem_line(name, problem))
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    said = [ngettext("{count} error", "{count} errors", errors)] if errors else []
    said += [ngettext("{count} warning", "{count} warnings", warnings)] if warnings else []
    count = len(document.runbooks)
    words = listed(said) or _("good")
    print_line(
        ngettext("{path}: {count} runbook: {said}", "{path}: {count} runbooks: {said}", count, path=name, said=words)
    )


def _findings_as_json(name: str, document: Document, problems: Sequence[Problem]) -> dict[str, object]:
    return {
        "file": name,
        "runbooks": len(document.runbooks),
        "problems": [
            {
                "line": problem.line,
                "severity": problem.severity,
                "code": problem.code,
                "text": redact(problem.text),
            }
            for problem in problems
        ],
    }


# ``lilfox runbook run``: a run in a job of its own, ordered from this terminal or going on by itself.
#
# Exit code 0: all is done; 1: it failed, and nothing is otherwise than before; 2: it cannot be run as it is asked for;
# 3: not all of it is done, and something was changed or skipped.


NEW = "new"


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``runbook run``."""
    add = parser.add_argument
    add(
        "runbook",
        nargs="?",
        default="",
        metavar="FILE|ID",
        help=_("a Markdown file, or the id of a runbook from lilfox runbook list"),
    )
    add("--runbook", dest="title", default="", metavar="TITLE", help=_("which runbook of the file, by title or id"))
    add("--var", dest="vars", action="append", type=pair, default=[], metavar="NAME=VALUE",
        help=_("a value; for a secret, a reference: env:NAME, file:PATH, cmd:ARGV"))  # fmt: skip
    add(
        "--host",
        default="",
        metavar="HOSTS",
        help=_("hosts for commands that specify none: a name, a glob, or all"),
    )
    add("--yes", action="store_true", help=_("run everything without asking"))
    add("--dry-run", action="store_true", help=_("show everything and run nothing"))
    add("--on-failure", choices=["stop", "undo"], default="stop", help=_("with --yes: what to do when a command fails"))
    add("--incident", default="", metavar="ID", help=_("the incident this run belongs to; new: open one"))
    add("--resume", default="", metavar="RUN", help=_("resume a run that is waiting, or whose job was killed"))
    add(
        "--recorded",
        action="store_true",
        help=_("with --resume: if the file has changed, use the text that the run read"),
    )
    add("--json", action="store_true", help=_("one JSON document at the end"))
    add("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def run_runbook(args: argparse.Namespace) -> int:
    """Runs the runbook; returns the exit code."""
    if args.json_schema:
        print_schema("runbook-run")
        return 0
    loaded = load_settings(args)
    if args.resume and args.dry_run:
        raise UsageError(
            tr("--dry-run does not work with --resume"),
            tr("leave out --dry-run to resume the run, or --resume to preview a runbook"),
        )
    if args.resume:
        return _resumed(args, loaded)
    if args.recorded:
        raise UsageError(tr("--recorded works only with --resume"), tr("for example: --resume RUN --recorded"))
    if not args.runbook:
        raise UsageError(tr("no runbook given"), tr("specify a file, or an id from lilfox runbook list"))
    runbook = _chosen(args, loaded)
    values = given(runbook, args.vars)
    refuse_unknown(loaded.config, runbook, values)
    if args.dry_run:
        return dry_run(loaded.config, runbook, values, as_json=args.json)
    _refuse_unasked(args, loaded.config, runbook, values)
    _allowed(args, loaded.config, runbook)
    for variable in missing(runbook, values):
        values[variable.name] = _asked(loaded.config, runbook, variable, values)
        refuse_unknown(loaded.config, runbook, values)
    if args.yes:
        refuse_unsafe(loaded.config, runbook, values)
    return _attended(args, loaded, runbook, values, _begun(args, loaded, runbook, values), begun=True)


def _chosen(args: argparse.Namespace, loaded: LoadedConfig) -> Runbook:
    found = sound_document(args.runbook, loaded.config.runbooks)
    runbooks = [each for each in found.runbooks if not args.title or args.title in (each.id, each.title)]
    if len(runbooks) != 1:
        titles = listed(each.title for each in found.runbooks)
        what = (
            tr("{path} has several runbooks", path=found.path)
            if runbooks
            else tr("{path} has no runbook {title}", path=found.path, title=args.title)
        )
        raise UsageError(what, tr("choose one with --runbook: {titles}", titles=titles or "-"))
    return replace(runbooks[0], hosts=args.host) if args.host else runbooks[0]


def _refuse_unasked(args: argparse.Namespace, config: Config, runbook: Runbook, values: dict[str, str]) -> None:
    """Raises UsageError if there is no terminal and values are missing or, without ``--yes``, a command could not run,
    the runbook is not allowed yet, or a command needs confirmation."""
    if sys.stdin.isatty():
        return
    if lacking := missing(runbook, values):
        names = listed(variable.name for variable in lacking)
        raise UsageError(tr("values are missing: {names}", names=names), tr("set them with --var NAME=VALUE"))
    if args.yes:
        return
    refuse_unsafe(config, runbook, values)
    refuse_first_run(runbook, config.runbooks)
    commands = [command for step in runbook.steps for command in step.commands if runnable(command)]
    values = with_defaults(runbook, values)

    def asked(command: Command) -> bool:
        """Whether a command needs confirmation. If some of its values are known only during the run, the job
        decides."""
        known = all(placeholder.name in values for placeholder in command.placeholders)
        return command.kind == "interactive" or (asks_with(command, values, runbook) if known else asks(command))

    if any(map(asked, commands)):
        raise UsageError(
            tr("some commands need confirmation, and there is no terminal to confirm them"),
            tr("review it with --dry-run, then add --yes"),
        )


def _allowed(args: argparse.Namespace, config: Config, runbook: Runbook) -> None:
    allow_first_run(runbook, config.runbooks, yes=args.yes)


def _asked(config: Config, runbook: Runbook, variable: Variable, values: dict[str, str]) -> str:
    """Asks the user for a value. Reads the offered values on the hosts of the first command that uses the variable."""
    hosts: tuple[str, ...] = ()
    for command in (command for step in runbook.steps for command in step.commands):
        if any(placeholder.name == variable.name for placeholder in command.placeholders):
            hosts = hosts_of(command, runbook, words(config, runbook), values)
            break
    return ask(variable, asyncio.run(offers(config, variable, hosts)))


def _begun(
    args: argparse.Namespace, loaded: LoadedConfig, runbook: Runbook, values: dict[str, str], resumes: str = ""
) -> str:
    """Starts the job of the run and returns its id."""
    return begin(
        runbook,
        loaded.config,
        loaded.path,
        hosts=args.host,
        values=values,
        resumes=resumes,
        incident=_incident(args.incident, runbook) if args.incident else "",
        without=[value.removeprefix("env:") for _name, value in args.vars if value.startswith("env:")],
    )


def _incident(words: str, runbook: Runbook) -> str:
    """The id of the given incident, or of one opened for the runbook. Raises LilFoxError."""
    return chosen(words).name if words != NEW else open_incident_for(runbook)


def _attended(
    args: argparse.Namespace, loaded: LoadedConfig, runbook: Runbook, values: dict[str, str], job: str, *, begun: bool
) -> int:
    attending = RunConsole(job, quiet=args.json, begun=begun)
    code = asyncio.run(_until_end(args, loaded, runbook, values, attending))
    if args.json:
        state = attending.state()
        print_json({"exit_code": code, **({} if state is None else dry_run_document(state, attending.folder))})
    return code


async def _until_end(
    args: argparse.Namespace, loaded: LoadedConfig, runbook: Runbook, values: dict[str, str], attending: RunConsole
) -> int:
    answer: Answer | None = None
    if args.yes:
        if args.recorded:
            await attending.order(UseText(sha256=runbook.sha256))
        await attending.order(RunAll(sha256=runbook.sha256, values=values, on_failure=args.on_failure))
    else:
        answer = RunPrompts(loaded.config, attending.folder, values, recorded=args.recorded).answer
    return await attending.until_end(answer)


def _resumed(args: argparse.Namespace, loaded: LoadedConfig) -> int:
    """Resumes a run: as another client if its job still runs, else with a job that takes it over."""
    job = find_job(args.resume)
    before = request_of_run(job.id)
    goes_on = job.id if job.state == "running" else newest_run(job.id)
    runbook = runbook_of(goes_on)
    args.host = args.host or before.hosts
    runbook = replace(runbook, hosts=args.host) if args.host else runbook
    values = given(runbook, args.vars)
    refuse_unknown(loaded.config, runbook, values)
    if not sys.stdin.isatty() and not args.yes:
        raise UsageError(tr("no terminal to ask how to continue"), tr("to run everything that is left, add --yes"))
    if loaded.config.read_only and job.state == "running" and not before.read_only:
        raise UsageError(
            tr("a run that may make changes cannot be controlled in read_only mode"),
            tr("watch it: lilfox attach {id}", id=job.id),
        )
    begins = job.state != "running"
    if begins:
        _allowed(args, loaded.config, runbook)
        goes_on = _begun(args, loaded, runbook, before.values | values, goes_on)
    return _attended(args, loaded, runbook, values, goes_on, begun=begins)


ACTIONS = {
    "list": Subcommand(tr("list the runbooks, those for firing alerts first"), add_list_arguments, run_list),
    "show": Subcommand(
        tr("show the steps and commands of a file and what each command does; runs nothing"),
        add_show_arguments,
        run_show,
    ),
    "run": Subcommand(
        tr("run a runbook step by step on its hosts; asks before changes"), add_run_arguments, run_runbook
    ),
    "lint": Subcommand(
        tr("check runbooks for errors and misleading commands"),
        add_lint_arguments,
        run_lint,
    ),
}

add_arguments, run = subcommands(ACTIONS)
