import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type typescript from 'typescript';

// By require: as a module, jest would first have to read its 9 MB for exports.
const ts = createRequire(import.meta.url)('typescript') as typeof typescript;

const SRC = new URL('../../src/', import.meta.url);

/** One import or re-export, static or dynamic. */
export interface Import {
  /** As it is written. */
  readonly specifier: string;
  /** Within src/, the file that it means; a package or node module as it is written. */
  readonly target: string;
  /** True for what is gone at run time: `import type`, or nothing but `type` names. */
  readonly typeOnly: boolean;
  /** The names that are imported; `*` for all, `default` for the default. */
  readonly names: readonly string[];
}

export interface SourceFile {
  /** Relative to src/, like `to-consul/desired.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

/** Every TypeScript file of src/ with its imports. */
export function readSources(): SourceFile[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => {
      const text = readFileSync(new URL(path, SRC), 'utf8');
      return { path, text, imports: importsOf(path, text) };
    });
}

export function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: typescript.Expression | undefined, typeOnly: boolean, names: readonly string[]) => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return;
    found.push({ specifier: specifier.text, target: resolve(path, specifier.text), typeOnly, names });
  };
  const visit = (node: typescript.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node), namesOf(node));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly, ['*']);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false, ['*']);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true, ['*']);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022));
  return found;
}

function namedOf({ importClause }: typescript.ImportDeclaration): readonly typescript.ImportSpecifier[] {
  const bindings = importClause?.namedBindings;
  return bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
}

function isTypeOnly(node: typescript.ImportDeclaration): boolean {
  const { importClause } = node;
  if (!importClause) return false;
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = namedOf(node);
  return !importClause.name && named.length > 0 && named.every(({ isTypeOnly }) => isTypeOnly);
}

function namesOf(node: typescript.ImportDeclaration): string[] {
  const { importClause } = node;
  if (!importClause) return ['*'];
  const all = importClause.namedBindings && ts.isNamespaceImport(importClause.namedBindings);
  return [
    ...(importClause.name ? ['default'] : []),
    ...(all ? ['*'] : []),
    ...namedOf(node).map(({ propertyName, name }) => (propertyName ?? name).text),
  ];
}

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const root = 'file:///src/';
  const target = new URL(specifier, root + from).href;
  return target.startsWith(root) ? target.slice(root.length) : `outside of src: ${specifier}`;
}
