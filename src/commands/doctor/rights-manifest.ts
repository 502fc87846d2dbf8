import { stringify } from 'yaml';
import type { Access } from '../../kubernetes/access.ts';
import type { NeededRole } from './needed-rights.ts';

/** Who gets a right, as a binding names it. */
export type Subject =
  | { readonly kind: 'ServiceAccount'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'User'; readonly name: string };

const GROUP = 'rbac.authorization.k8s.io';

/** The subject of a user name of the API server; a service account has one of a form of its own. */
export function subjectOf(username: string): Subject {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  if (namespace === undefined || name === undefined) return { kind: 'User', name: username };
  return { kind: 'ServiceAccount', namespace, name };
}

/**
 * A command that adds these rights to the role of the shipped manifests, and binds the subject to it. Not `kubectl apply`: what
 * else the role grants, and to whom, stays.
 */
export function grantCommand(role: NeededRole, missing: readonly Access[], subject: Subject): string {
  const { kind, name, namespace } = role;
  const metadata = namespace === '' ? { name } : { name, namespace };
  const documents = [
    { apiVersion: `${GROUP}/v1`, kind, metadata, rules: rulesOf(missing) },
    {
      apiVersion: `${GROUP}/v1`,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: GROUP, kind, name },
      subjects: [subject.kind === 'User' ? { apiGroup: GROUP, ...subject } : subject],
    },
  ];
  return hereDocument('kubectl auth reconcile -f -', documents.map((document) => stringify(document)).join('---\n'));
}

/** A shell command that reads the text. */
export function hereDocument(command: string, text: string): string {
  return `${command} <<'EOF'\n${text.trimEnd()}\nEOF`;
}

/** One rule for each resource, with its verbs; a name makes another rule. */
function rulesOf(missing: readonly Access[]): object[] {
  const rules = new Map<string, { group: string; resource: string; verbs: Set<string>; names: Set<string> }>();
  for (const { group, resource, verb, name } of missing) {
    const key = `${group}/${resource}/${name === undefined ? '' : 'named'}`;
    const rule = rules.get(key) ?? { group, resource, verbs: new Set<string>(), names: new Set<string>() };
    rules.set(key, rule);
    rule.verbs.add(verb);
    if (name !== undefined) rule.names.add(name);
  }
  return [...rules.values()].map(({ group, resource, verbs, names }) => ({
    apiGroups: [group],
    resources: [resource],
    ...(names.size > 0 ? { resourceNames: [...names] } : {}),
    verbs: [...verbs],
  }));
}
