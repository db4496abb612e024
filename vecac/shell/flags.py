"""A dataclass's fields as flags, which tyro parses.

What tyro does not do by itself is here: flags in groups, whole numbers typed as 1e6, and what may have been
meant by a flag that there is not.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import (
    MISSING_NONPROP,
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from vecac.config import flag
from vecac.errors import UsageError
from vecac.spelling import nearest


def parse_flags(
    options: type, prog: str, arguments: Sequence[str], default: Any, groups: Mapping[str, str]
) -> dict[str, Any]:
    """The values of all fields of `options`, a dataclass: from the arguments, else from the default.

    Args:
        options: the first line of its docstring is what --help says the command does.
        prog: how the command is called.
        arguments: what was typed after that.
        default: an instance of `options`; None for the defaults of its fields.
        groups: the first field of each group in --help, and the group's title; empty for no groups.

    Raises:
        UsageError: an argument is no flag.
        SystemExit: for --help, and for what tyro cannot parse, which it has told.
    """
    registry = ConstructorRegistry()
    registry.primitive_rule(_whole_numbers)
    structs = _structs(options, default, groups)
    registry.struct_rule(lambda info: structs.get(info.type))
    values: Any
    values, unknown = tyro.cli(
        options,
        prog=prog,
        description=f"{(options.__doc__ or '').splitlines()[0]} --version prints vecac's version.",
        args=arguments,
        registry=registry,
        config=(tyro.conf.OmitArgPrefixes,),  # a group's title is no part of its flags
        return_unknown_args=True,
    )
    if unknown:
        raise UsageError(_explain_unknown(unknown, options))
    parsed: dict[str, Any] = values
    return parsed


def _structs(options: type, default: Any, groups: Mapping[str, str]) -> dict[Any, StructConstructorSpec]:
    """What tyro makes of `options`, and of each group: a dict.

    It would dress up the errors of the dataclass itself.
    """
    info = StructTypeInfo.make(options, MISSING_NONPROP if default is None else default, False)
    spec = ConstructorRegistry.get_struct_spec(info)
    assert isinstance(spec, StructConstructorSpec)
    if not groups:
        return {options: StructConstructorSpec(dict, spec.fields)}
    members: dict[str, list[StructFieldSpec]] = {}
    for field in spec.fields:
        if field.name in groups:
            title = groups[field.name]
            members[title] = []
        members[title].append(field)
    kinds = {title: type(title, (), {"__doc__": ""}) for title in members}
    structs: dict[Any, StructConstructorSpec] = {
        kinds[title]: StructConstructorSpec(dict, tuple(fields)) for title, fields in members.items()
    }
    parts = tuple(StructFieldSpec(title, kind, MISSING_NONPROP) for title, kind in kinds.items())
    structs[options] = StructConstructorSpec(_merge, parts)
    return structs


def _merge(**parts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for part in parts.values() for name, value in part.items()}


def _whole_numbers(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[int] | None:
    """tyro's rule for ints, which takes 1e6 and 1000000.0 as well."""
    if info.type is not int:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda texts: _whole_number(texts[0]),
        is_instance=lambda value: type(value) is int,
        str_from_instance=lambda value: [str(value)],
    )


def _whole_number(text: str) -> int:
    for kind in (int, float):  # an int first, since a float would round a large one
        try:
            if (number := kind(text)) == int(number):
                return int(number)
        except (ValueError, OverflowError):  # of inf, for one
            continue
    raise ValueError(f"{text!r} is not a whole number")


def _explain_unknown(unknown: Sequence[str], options: type) -> str:
    """One line on arguments that are no flags; the values that follow such a flag are passed over."""
    typed = [argument.partition("=")[0] for argument in unknown if argument.startswith("--")] or unknown[:1]
    names = _names(options)
    lines = []
    for argument in dict.fromkeys(typed):
        meant = nearest(argument.strip("-").replace("-", "_"), names)
        lines.append(argument + (f" (did you mean {flag(meant)}?)" if meant else ""))
    return f"unrecognized: {', '.join(lines)}; --help shows every flag"


def _names(options: type) -> list[str]:
    """The fields of the dataclass that are flags, and no_field for each that can be switched off."""
    names = []
    hints = get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        hint = hints[field.name]
        if get_origin(hint) is Annotated and tyro.conf.Positional in get_args(hint):
            continue
        names += [field.name, f"no_{field.name}"] if hint is bool else [field.name]
    return names
