import { NO_STRINGS } from '../encoding/shared.ts';
import { isObject, stringListField } from '../../json.ts';

/** Which container kubectl takes when nobody names one. */
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';
/** What Istio's injector put into a pod, as JSON: `{"initContainers":["istio-init"],"containers":["istio-proxy"],...}`. */
const ISTIO_STATUS = 'sidecar.istio.io/status';

/** What annotations of a pod say of its containers, by their names. */
export interface Roles {
  /** Empty when no annotation says it. */
  readonly main: string;
  readonly istios: ReadonlySet<string>;
}

const NO_ROLES: Roles = { main: '', istios: new Set() };

/** Worth reading, and not worth keeping: what these annotations say stands in the containers, which pods share. */
export function isAboutContainers(annotation: string): boolean {
  return annotation === DEFAULT_CONTAINER || annotation === ISTIO_STATUS;
}

export function rolesOf(annotations: ReadonlyMap<string, string>): Roles {
  const main = annotations.get(DEFAULT_CONTAINER);
  const status = annotations.get(ISTIO_STATUS);
  if (main === undefined && status === undefined) return NO_ROLES;
  return { main: main?.trim() ?? '', istios: new Set(status === undefined ? [] : namesIn(status)) };
}

/** Istio's text is nobody's duty to write well: what cannot be read names no container. */
function namesIn(status: string): readonly string[] {
  try {
    const read: unknown = JSON.parse(status);
    if (!isObject(read)) return [];
    return [...stringListField(read, 'containers'), ...stringListField(read, 'initContainers')];
  } catch {
    return [];
  }
}

/** The annotations that `keep` wants. */
export function withoutRoles(
  annotations: ReadonlyMap<string, string>,
  keep: (annotation: string) => boolean,
): ReadonlyMap<string, string> {
  if (!annotations.has(DEFAULT_CONTAINER) && !annotations.has(ISTIO_STATUS)) return annotations;
  const kept = [...annotations].filter(([key]) => keep(key));
  return kept.length === 0 ? NO_STRINGS : new Map(kept);
}
