"""A dataclass's fields as flags, which tyro parses.

What tyro does not do by itself is here: flags in groups, whole numbers typed as 1e6, and what may have been
meant by a flag that there is not.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

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

from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.keywords import parse_keywords
from vecac.spelling import nearest


def parse_flags(
    options: type, prog: str, arguments: Sequence[str], default: Any, groups: Mapping[str, str]
) -> dict[str, Any]:
    """The values of all fields of `options`, a dataclass: from the arguments, else from the default.

    --help calls the command `prog`, says what it does by the first line of the dataclass's docstring, and
    shows the flags in groups: the first field of each, and its title. `default` is an instance of the
    dataclass; None for the defaults of its fields.

    Raises:
        UsageError: an argument is no flag.
        SystemExit: for --help, and for what tyro cannot parse, which it has told.
    """
    registry = ConstructorRegistry()
    registry.primitive_rule(_whole_numbers)
    registry.primitive_rule(_keywords)
    structs = _structs(options, default, groups)
    registry.struct_rule(lambda info: structs.get(info.type))
    parsed: tuple[Any, list[str]] = tyro.cli(
        options,
        prog=prog,
        description=f"{(options.__doc__ or '').splitlines()[0]} --version prints vecac's version.",
        args=arguments,
        registry=registry,
        config=(tyro.conf.OmitArgPrefixes,),  # a group's title is no part of its flags
        return_unknown_args=True,
    )
    values, unknown = parsed
    if unknown:
        raise UsageError(_explain_unknown(unknown, options))
    return dict(values)


def _structs(options: type, default: Any, groups: Mapping[str, str]) -> dict[Any, StructConstructorSpec]:
    """What tyro makes of `options`, and of each group: a dict.

    It would dress up the errors of the dataclass itself.
    """
    info = StructTypeInfo.make(options, MISSING_NONPROP if default is None else default, False)
    spec = ConstructorRegistry.get_struct_spec(info)
    assert isinstance(spec, StructConstructorSpec)
    if not groups:
        return {options: StructConstructorSpec(dict, spec.fields)}
    structs: dict[Any, StructConstructorSpec] = {}
    parts, names = [], [field.name for field in spec.fields]
    starts = [names.index(first) for first in groups]
    for title, start, end in zip(groups.values(), starts, [*starts[1:], None], strict=True):
        kind = type(title, (), {"__doc__": ""})
        structs[kind] = StructConstructorSpec(dict, spec.fields[start:end])
        parts.append(StructFieldSpec(title, kind, MISSING_NONPROP))
    structs[options] = StructConstructorSpec(_merge, tuple(parts))
    return structs


def _merge(**parts: dict[str, Any]) -> dict[str, Any]:
    return dict(ChainMap(*parts.values()))


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


def _keywords(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[dict[str, Any]] | None:
    """Dicts as name=value, as many as there are."""
    if get_origin(info.type) is not dict:
        return None
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME=VALUE",
        instance_from_str=_parse_all,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [f"{name}={item!r}" for name, item in value.items()],
    )


def _parse_all(texts: Sequence[str]) -> dict[str, Any]:
    keywords = [parse_keywords(text) for text in texts]
    names = [name for given in keywords for name in given]
    if len(set(names)) < len(names):
        raise ValueError("a name is given twice")
    return dict(ChainMap(*reversed(keywords)))


def _explain_unknown(unknown: Sequence[str], options: type) -> str:
    """One line on arguments that are no flags; the values that follow such a flag are passed over."""
    typed = [argument.partition("=")[0] for argument in unknown if argument.startswith("--")] or unknown[:1]
    told = []
    for argument in dict.fromkeys(typed):
        meant = nearest(argument.strip("-").replace("-", "_"), _names(options))
        told.append(argument + (f" (did you mean {flag(meant)}?)" if meant else ""))
    return f"unrecognized: {', '.join(told)}; --help shows every flag"


def _names(options: type) -> list[str]:
    """The fields of the dataclass that are flags, and no_field for each that can be switched off."""
    names = []
    for name, hint in get_type_hints(options, include_extras=True).items():
        if tyro.conf.Positional not in get_args(hint):
            names += [name, f"no_{name}"] if hint is bool else [name]
    return names
