"""Escapes what MiniStack puts into its XML answers.

MiniStack writes XML as text, f-strings put into each other, and escapes next to nothing. One `&` in a tag, and no client
can read the roles, the topics or the alarms of the account any more. So the modules that answer in XML are compiled in
another way: text with a tag of XML in it is `Markup`, and whatever else is put into such text is escaped. What such pieces
are joined to is `Markup` again, so that nothing is escaped twice, and a value that looks like XML is not taken for it.
"""

import ast
import importlib.abc
import importlib.machinery
import re
import sys

# Those that answer with XML, of the services that fraudctl uses. (SQS and S3 do too, and escape.)
MODULES = {f"ministack.services.{name}" for name in ("cloudwatch", "iam", "sns", "sts")}
# What the modules call where they do escape.
ESCAPERS = {"escape", "_xml_escape", "_esc"}
TAG = re.compile(r"</?[A-Za-z?][\w:.-]*(\s[^<>]*)?/?>|<[A-Za-z?][\w:.-]*\s[\w:]+=|^<$")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#13;"}
MARKUP, PARTS, JOIN = "_fraudctl_markup", "_fraudctl_parts", "_fraudctl_join"


class Markup(str):
    """Text that is XML."""

    __slots__ = ()

    def __add__(self, other):
        return Markup(str.__add__(self, escaped(other)))

    def __radd__(self, other):
        return Markup(escaped(other) + str(self))


def escaped(value):
    if isinstance(value, Markup):
        return str(value)
    return "".join(ENTITIES.get(character, character) for character in str(value))


def parts(*values):
    """What an f-string of XML makes of its parts."""
    return Markup("".join(map(escaped, values)))


def join(between, values):
    """`between.join(values)`: XML where all of it is."""
    values = list(values)
    joined = str.join(between, values)
    return Markup(joined) if all(isinstance(value, Markup) for value in values) else joined


class Escaping(ast.NodeTransformer):
    def visit_JoinedStr(self, node):
        literal = [part for part in node.values if isinstance(part, ast.Constant)]
        for part in node.values:
            if part not in literal:
                self.visit(part)
        if not any(TAG.search(part.value) for part in literal):
            return node
        values = [call(MARKUP, part) if part in literal else put(part) for part in node.values]
        return ast.copy_location(call(PARTS, *values), node)

    def visit_FormattedValue(self, node):
        # Not its format, which is a JoinedStr that has to stay one.
        node.value = self.visit(node.value)
        return node

    def visit_Constant(self, node):
        if isinstance(node.value, str) and TAG.search(node.value):
            return ast.copy_location(call(MARKUP, node), node)
        return node

    def visit_Expr(self, node):
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Call(self, node):
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Name) and function.id in ESCAPERS:
            # It is done where the text is put into XML.
            return node.args[0]
        if isinstance(function, ast.Attribute) and function.attr == "join" and isinstance(function.value, ast.Constant):
            return ast.copy_location(call(JOIN, function.value, *node.args), node)
        return node


def put(part):
    """What an f-string puts in a place, as an expression of its own."""
    plain = part.format_spec is None and part.conversion == -1
    return part.value if plain else ast.JoinedStr([part])


def call(name, *arguments):
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):
        path = self.get_filename(fullname)
        tree = Escaping().visit(ast.parse(self.get_data(path), path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    def exec_module(self, module):
        module.__dict__.update({MARKUP: Markup, PARTS: parts, JOIN: join})
        super().exec_module(module)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname not in MODULES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        spec.loader = Loader(fullname, spec.origin)
        return spec


def install():
    """To be called before MiniStack is imported."""
    sys.meta_path.insert(0, Finder())
