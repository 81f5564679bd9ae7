"""Sixteen float32 numbers at once: a vector as LLVM knows it, for numba (models/kernels.py).

LLVM cuts it into what a machine has: one register of AVX-512, two of AVX2, four of NEON. Written out, because numba
leaves it to LLVM to find vectors in loops, and it finds none in short ones whose length is not known beforehand.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.typing.templates import AbstractTemplate, ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

WIDTH = 16

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_PLACE = ir.IntType(32)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)


class Lanes(types.Type):
    """Of one variable that holds sixteen numbers."""

    def __init__(self) -> None:
        super().__init__("Lanes")


LANES = Lanes()


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


class Fixed(types.Type):
    """Of a pointer to numbers that stay what they are while a call lasts: what was read once is not read again."""

    def __init__(self, dtype: Any) -> None:
        super().__init__(f"Fixed({dtype})")
        self.dtype = dtype


register_model(Fixed)(models.PointerModel)


@infer_global(operator.getitem)
class _Item(AbstractTemplate):
    def generic(self, arguments: Any, _: Any) -> Any:
        pointer = arguments[0]
        return signature(pointer.dtype, pointer, types.intp) if isinstance(pointer, Fixed) else None


@lower_builtin(operator.getitem, Fixed, types.intp)
def _item(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return _fixed(builder, builder.load(builder.gep(arguments[0], [arguments[1]])))


def _fixed(builder: Any, loaded: Any) -> Any:
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def _spread(builder: Any, number: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, _PLACE(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_PLACE, WIDTH), [0] * WIDTH))


def _at(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer())


def _address(pointer: Any, kind: Any = None) -> Any:
    """Of a flat array: a pointer, which is indexed without a look at signs and sizes; None: of its own numbers."""

    @intrinsic
    def address(_: Any, array: Any) -> Any:
        result = pointer(kind or array.dtype)

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            return builder.bitcast(data, context.get_value_type(result))

        return result(array), code

    return address


address, fixed, whole_numbers = _address(types.CPointer), _address(Fixed), _address(Fixed, types.int64)


@intrinsic
def aligned(_: Any, pointer: Any) -> Any:
    """The next place from a pointer on where lanes lie in one line of the cache: 15 numbers farther at most."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size = ir.IntType(64)
        place = builder.add(builder.ptrtoint(arguments[0], size), size(63))
        return builder.inttoptr(builder.and_(place, size(-64)), arguments[0].type)

    return pointer(pointer), code


@intrinsic
def load(_: Any, pointer: Any, index: Any) -> Any:
    """pointer[index : index + 16]"""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.load(_at(builder, *arguments))
        found.align = 4
        return _fixed(builder, found) if isinstance(pointer, Fixed) else found

    return LANES(pointer, types.intp), code


@intrinsic
def store(_: Any, pointer: Any, index: Any, lanes: Any) -> Any:
    """pointer[index : index + 16] = lanes"""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, index, lanes = arguments
        builder.store(lanes, _at(builder, pointer, index), align=4)
        return context.get_dummy_value()

    return types.void(pointer, types.intp, LANES), code


@intrinsic
def fetch(_: Any, pointer: Any, index: Any) -> Any:
    """Have pointer[index] brought near, because it will soon be read and written."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _PLACE, _PLACE, _PLACE])
        function = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        write, near, data = _PLACE(1), _PLACE(3), _PLACE(1)
        builder.call(function, [builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte), write, near, data])
        return context.get_dummy_value()

    return types.void(pointer, types.intp), code


@intrinsic
def load_some(_: Any, pointer: Any, index: Any, count: Any, rest: Any) -> Any:
    """The first `count` of them; `rest` in the other lanes, which are not read."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, index, count, rest = arguments
        kind = ir.FunctionType(_VECTOR, [_VECTOR.as_pointer(), _PLACE, _MASK, _VECTOR])
        function = get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{WIDTH}f32.p0")
        return builder.call(function, [_at(builder, pointer, index), _PLACE(4), _first(builder, count), rest])

    return LANES(pointer, types.intp, types.intp, LANES), code


@intrinsic
def store_some(_: Any, pointer: Any, index: Any, count: Any, lanes: Any) -> Any:
    """The first `count` of them, the others are left as they are."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, index, count, lanes = arguments
        kind = ir.FunctionType(ir.VoidType(), [_VECTOR, _VECTOR.as_pointer(), _PLACE, _MASK])
        function = get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{WIDTH}f32.p0")
        builder.call(function, [lanes, _at(builder, pointer, index), _PLACE(4), _first(builder, count)])
        return context.get_dummy_value()

    return types.void(pointer, types.intp, types.intp, LANES), code


def _first(builder: Any, count: Any) -> Any:
    places = ir.VectorType(_PLACE, WIDTH)
    one = builder.insert_element(ir.Constant(places, ir.Undefined), builder.trunc(count, _PLACE), _PLACE(0))
    counts = builder.shuffle_vector(one, one, ir.Constant(places, [0] * WIDTH))
    return builder.icmp_signed("<", ir.Constant(places, list(range(WIDTH))), counts)


@intrinsic
def repeat(_: Any, pointer: Any, index: Any) -> Any:
    """pointer[index] in every lane."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, builder.load(builder.gep(arguments[0], [arguments[1]])))

    return LANES(pointer, types.intp), code


@intrinsic
def spread(_: Any, number: Any) -> Any:
    """A number in every lane."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return LANES(types.float32), code


@intrinsic
def fused(_: Any, a: Any, b: Any, c: Any) -> Any:
    """A * b + c, in one rounding where the machine can."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        function = get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{WIDTH}f32")
        return builder.call(function, arguments)

    return LANES(LANES, LANES, LANES), code


@intrinsic
def total(_: Any, lanes: Any) -> Any:
    """The sum of all lanes, by halves: the order is fixed."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, width = arguments[0], WIDTH
        while width > 1:
            width //= 2
            places = ir.VectorType(_PLACE, width)
            low, high = (ir.Constant(places, [begin + place for place in range(width)]) for begin in (0, width))
            lanes = builder.fadd(builder.shuffle_vector(lanes, lanes, low), builder.shuffle_vector(lanes, lanes, high))
        return builder.extract_element(lanes, _PLACE(0))

    return types.float32(LANES), code


@intrinsic
def less(_: Any, a: Any, b: Any) -> Any:
    """Where a < b: bit i is lane i."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = builder.bitcast(builder.fcmp_ordered("<", *arguments), ir.IntType(WIDTH))
        return builder.zext(mask, ir.IntType(64))

    return types.int64(LANES, LANES), code


@intrinsic
def shifted(_: Any, a: Any, b: Any) -> Any:
    """The lanes of a from the second on, then the first of b."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.shuffle_vector(*arguments, ir.Constant(ir.VectorType(_PLACE, WIDTH), list(range(1, WIDTH + 1))))

    return LANES(LANES, LANES), code


@intrinsic
def ones(_: Any, bits: Any) -> Any:
    """How many bits are set."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)]), arguments)

    return types.int64(types.int64), code


@intrinsic
def seldom(_: Any, condition: Any) -> Any:
    """The condition, said to be rare: a branch, so that nobody waits for it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bit = ir.IntType(1)
        function = get_or_insert_function(builder.module, ir.FunctionType(bit, [bit, bit]), "llvm.expect.i1")
        return builder.call(function, [arguments[0], bit(0)])

    return types.boolean(types.boolean), code


@intrinsic
def magnitude(_: Any, lanes: Any) -> Any:
    """|lanes|"""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.fabs.v{WIDTH}f32")
        return builder.call(function, arguments)

    return LANES(LANES), code


def _chosen(sign: str) -> Any:
    """A where `a sign b`, else b; a number that is not one stays where it is b."""

    @intrinsic
    def choose(_: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.select(builder.fcmp_ordered(sign, *arguments), *arguments)

        return LANES(LANES, LANES), code

    return choose


smaller, larger = _chosen("<"), _chosen(">")


def _arithmetic(operation: Callable[..., Any], instruction: str) -> None:
    @infer_global(operation)
    class Typed(ConcreteTemplate):
        cases = (signature(LANES, LANES, LANES),)

    @lower_builtin(operation, LANES, LANES)
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")
