/**
 * What a rule of Prometheus compares: the operands of its `and`, `or` and `unless`, each with all that its comparisons would have
 * left out (`bool` says 0 or 1 instead), and of `absent(x)` the `x`. While all is well the rule itself has no answer; these have.
 */
export function comparedIn(rule: string): string[] {
  const operands = operandsOf(rule);
  const [only = '', ...more] = operands;
  if (more.length > 0) return operands.flatMap(comparedIn);
  const inner = /^(?:absent\s*)?\(([^]*)\)$/.exec(only)?.[1];
  return inner !== undefined && isClosed(inner) ? comparedIn(inner) : [withBool(only)];
}

function operandsOf(rule: string): string[] {
  const operands: string[] = [''];
  let depth = 0;
  for (const token of rule.match(/"[^"]*"|\w+|[^]/g) ?? []) {
    if (depth === 0 && /^(and|or|unless)$/.test(token)) operands.push('');
    else operands.push((operands.pop() ?? '') + token);
    depth += depthOf(token);
  }
  return operands.map((operand) => operand.trim().replace(/^(on|ignoring)\s*\([^)]*\)\s*/, ''));
}

const depthOf = (token: string) => ('({['.includes(token) ? 1 : ')}]'.includes(token) ? -1 : 0);

/** Whether each bracket of a text has its own end in it. */
function isClosed(text: string): boolean {
  let depth = 0;
  for (const token of text.match(/"[^"]*"|[^]/g) ?? []) if ((depth += depthOf(token)) < 0) return false;
  return depth === 0;
}

/** Matchers in braces are no comparisons. */
function withBool(operand: string): string {
  return operand.replaceAll(/\{[^}]*\}|[=!<>]=|[<>]/g, (found) => (found.startsWith('{') ? found : `${found} bool`));
}
