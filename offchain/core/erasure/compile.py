"""Compile numba kernels: without the GIL, kept on disk until a source of this package changes.

Numba renews a kept kernel only when the file that defines it changes; kernels here are assembled
from several files, so the digest of all of them is the stamp.
"""

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

from offchain.core.erasure.forms import Loops

EmitCall = Callable[[Any, Any, Any, Any, Any], None]


@cache
def source_stamp() -> str:
    """Digest of every source file that can shape a kernel."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _stamp_with(path: str) -> str:
    return hashlib.sha256(source_stamp().encode() + Path(path).read_bytes()).hexdigest()


def kernel(function: Callable[..., None]) -> Any:
    """Compile `function` on first use, for this processor, without bounds checks or the GIL."""
    compiled = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    index = compiled._cache._cache_file  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
    index._source_stamp = _stamp_with(function.__code__.co_filename)  # noqa: SLF001
    return compiled


def form_intrinsic(emit: EmitCall, plain: Callable[..., None]) -> Any:
    """A call (form, ...) that emits IR for a vector form, or compiles `plain` for `Loops`.

    `emit` gets numba's context, the builder, the form's class, the signature without the form, and
    the values. Numba reads the number of arguments from the signature of `plain`.
    """

    def call(typing_context: Any, form: Any, *arguments: Any) -> Any:
        del typing_context
        unliteral: Callable[[Any], Any] = types.unliteral
        signature = types.void(form, *(unliteral(argument) for argument in arguments))

        def generate(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            inner = types.void(*sig.args[1:])
            if form.instance_class is Loops:
                return context.compile_internal(builder, plain, inner, values[1:])
            emit(context, builder, form.instance_class, inner, values[1:])
            return context.get_dummy_value()

        return signature, generate

    names = ["typing_context", "form", *inspect.signature(plain).parameters]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # read by inspect
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return intrinsic(call)
