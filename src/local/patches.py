"""Keeps what is patched at API Gateway as AWS keeps it, whatever is patched.

API Gateway sends every patched value as text. MiniStack keeps the text also where AWS keeps a number, a truth or a list,
after which no client can read the answers. Here the service's model says what a path leads to.
https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
"""

import copy
import functools

TRUTHS = {"true": True, "false": False}


def install():
    """To be called when MiniStack's environment is set."""
    from ministack.services import apigateway_v1 as module

    shapes = []
    for name in dir(module):
        if name.startswith("_update_"):
            setattr(module, name, functools.partial(update, module, getattr(module, name), name, shapes))
    module._apply_patch = functools.partial(apply, module, module._apply_patch, shapes)


def update(module, original, name, shapes, *arguments):
    """Remembers which shape is patched meanwhile."""
    operation = "".join(word.capitalize() for word in name.split("_"))
    shapes.append(service().operation_model(operation).output_shape)
    try:
        return original(*arguments)
    except (KeyError, TypeError, ValueError) as error:
        return module._v1_error("BadRequestException", f"Invalid patch operation: {error}", 400)
    finally:
        shapes.pop()


@functools.cache
def service():
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("apigateway", "service-2"), "apigateway")


def apply(module, original, shapes, thing, operations):
    """Stands in for MiniStack's own way. All of it takes place, or nothing."""
    patched = copy.deepcopy(thing)
    for operation in operations:
        tokens = [module._decode_json_pointer_token(token) for token in operation["path"].strip("/").split("/")]
        if tokens[0] in shapes[-1].members:
            change(shapes[-1], patched, tokens, operation["op"], operation.get("value"))
        else:
            original(patched, [operation])
    thing.clear()
    thing.update(patched)
    return thing


def change(shape, thing, tokens, op, value):
    """Changes something of this shape at the place that the tokens lead to."""
    name, below = tokens[0], tokens[1:]
    if shape.type_name == "map":
        shape = shape.value
        if shape.type_name == "structure":
            # The name is a path with a method, and has slashes.
            below = tokens[-1:] if tokens[-1] in shape.members else []
            name = "/".join(tokens[: len(tokens) - len(below)])
    else:
        shape = shape.members[name]
    if shape.type_name == "list":
        thing[name] = change_list(shape.member, thing.get(name) or [], below, op, value)
    elif below:
        thing[name] = thing.get(name) or {}
        change(shape, thing[name], below, op, value)
    elif op == "remove" or value is None:
        thing.pop(name, None)
    else:
        thing[name] = typed(shape, value)


def change_list(shape, items, tokens, op, value):
    """The same of a list. An item is named by the path, or else by the value."""
    if shape.type_name == "structure":
        # The stages of a usage plan.
        api, _, stage = (tokens[0] if tokens else value).partition(":")
        at = {"apiId": api, "stage": stage}
        found = [item for item in items if at.items() <= item.items()]
        if tokens[1:]:
            change(shape, found[0] if found else {}, tokens[1:], op, value)
            return items
        items = [item for item in items if item not in found]
        return items + (found or [at]) if op == "add" else items
    named = tokens[0] if tokens else value
    if op == "replace":
        return [value if item == named else item for item in items] if tokens else [value]
    items = [item for item in items if item != named]
    return items + [named] if op == "add" else items


def typed(shape, value):
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name in ("float", "double"):
        return float(value)
    if shape.type_name == "boolean":
        return TRUTHS[str(value).lower()]
    if shape.type_name == "string":
        return str(value)
    raise TypeError(f"a {shape.type_name} cannot be set as a whole")
