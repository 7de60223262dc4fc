/**
 * The declarations of the client with what is written about them. They are read by the compiler before TypeScript 7, which has
 * a stable API for that; it only parses, so it needs to know nothing that is newer than it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import ts from "typescript-5.7";

const root = join(import.meta.dirname, "../../rpc");

/** What is written about a declaration, as Markdown. */
export type Docstring = {
  readonly about: string;
  /** The params of a method that are described by themselves, each with its name. */
  readonly params: readonly (readonly [name: string, about: string])[];
  readonly returns: string;
  readonly throws: string;
  /** What a field is unless it is given. */
  readonly defaultValue: string;
  readonly example: string;
};

/** A field or a method of a type. An overloaded method is one for each of its signatures. */
export type Member = Docstring & {
  readonly name: string;
  readonly isOptional: boolean;
  /** The type of a field, as it is written. */
  readonly type: string;
  /** The head of a method, as it is written; undefined of a field. */
  readonly signature: string | undefined;
  /** The fields of a type that is written out. */
  readonly members: readonly Member[];
};

/** A declared type: what is written about it, and its members. */
export type Declaration = Docstring & { readonly members: readonly Member[] };

/** Reads a declaration. @param file Below rpc/. */
export function declarationOf(file: string, name: string): Declaration {
  const source = sourceOf(file);
  const found = source.statements.filter((statement) => isNamed(statement, name));
  // A class may have a type of its name beside it: what is written stands with one of them, behind the other.
  const written = found.map(docstringOf).findLast(({ about }) => about !== "");
  if (written === undefined) {
    throw new Error(`${file} says nothing of ${name}`);
  }
  return { ...written, members: found.flatMap((each) => membersOf(each, source)) };
}

function sourceOf(file: string): ts.SourceFile {
  const path = join(root, file);
  return ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
}

function isNamed(statement: ts.Statement, name: string): boolean {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.some((each) => textOf(each.name) === name);
  }
  const isDeclaration =
    ts.isTypeAliasDeclaration(statement) || ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement);
  return isDeclaration && statement.name !== undefined && textOf(statement.name) === name;
}

/** The members that users see: of an intersection those of all its parts that stand in the same file. */
function membersOf(node: ts.Node, source: ts.SourceFile): Member[] {
  if (ts.isTypeAliasDeclaration(node)) {
    return membersOf(node.type, source);
  }
  if (ts.isIntersectionTypeNode(node)) {
    return node.types.flatMap((each) => membersOf(each, source));
  }
  if (ts.isTypeReferenceNode(node)) {
    const declared = source.statements.find((statement) => isNamed(statement, textOf(node.typeName)));
    return declared === undefined ? [] : membersOf(declared, source);
  }
  if (ts.isTypeLiteralNode(node) || ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) {
    return node.members.flatMap((member) => (isPublic(member) ? memberOf(member, source) : []));
  }
  return [];
}

/** Not private, not a constructor, and of an overloaded method not the body. */
function isPublic(member: ts.TypeElement | ts.ClassElement): boolean {
  return (
    member.name !== undefined &&
    !ts.isPrivateIdentifier(member.name) &&
    (ts.getJSDocCommentsAndTags(member).length > 0 || !ts.isClassElement(member))
  );
}

function memberOf(member: ts.TypeElement | ts.ClassElement, source: ts.SourceFile): Member {
  const name = (member.name === undefined ? "" : textOf(member.name)).replaceAll('"', "");
  const isMethod = ts.isMethodDeclaration(member) || ts.isMethodSignature(member);
  const hasType = ts.isPropertySignature(member) || ts.isPropertyDeclaration(member) || ts.isGetAccessor(member);
  const type = hasType ? member.type : undefined;
  return {
    ...docstringOf(member),
    name,
    isOptional: "questionToken" in member && member.questionToken !== undefined,
    type: type === undefined ? "" : textOf(type),
    signature: isMethod ? signatureOf(member) : undefined,
    members: type !== undefined && ts.isTypeLiteralNode(type) ? membersOf(type, source) : [],
  };
}

/** The head of a method without its body. */
function signatureOf(method: ts.MethodDeclaration | ts.MethodSignature): string {
  const end = "body" in method && method.body !== undefined ? method.body.getStart() : method.getEnd();
  const head = method.getSourceFile().text.slice(method.getStart(), end);
  const lines = head
    .trim()
    .replace(/;$/, "")
    .replace(/^async /, "")
    .split("\n");
  return lines.map((line, index) => (index === 0 ? line : line.replace(/^ {2}/, ""))).join("\n");
}

function docstringOf(node: ts.Node): Docstring {
  const [docs] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const tags: readonly ts.JSDocTag[] = docs?.tags ?? [];
  const tagOf = (name: string) => {
    const tag = tags.find((each) => each.tagName.text === name);
    return tag === undefined ? "" : markdownOf(tag.comment);
  };
  return {
    about: markdownOf(docs?.comment),
    params: tags.filter(ts.isJSDocParameterTag).map((tag) => [textOf(tag.name), markdownOf(tag.comment)] as const),
    returns: tagOf("returns"),
    throws: tagOf("throws"),
    defaultValue: tagOf("defaultValue"),
    example: tagOf("example"),
  };
}

/** A link to a name is that name as code. */
function markdownOf(comment: ts.JSDoc["comment"]): string {
  return (ts.getTextOfJSDocComment(comment) ?? "").replaceAll(/\{@link\s+(\w+)\}/g, "`$1`").trim();
}

/** The text of a node, in one line. */
function textOf(node: ts.Node): string {
  return node
    .getText()
    .replaceAll(/\/\*\*[\s\S]*?\*\//g, "")
    .replaceAll(/\s+/g, " ");
}
