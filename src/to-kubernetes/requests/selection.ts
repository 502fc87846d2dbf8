import { matchesPattern, selects, type Patterns } from '../../config/pattern.ts';
import { describe } from '../../json.ts';
import { locationOf } from '../../address.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { protocolOf } from '../../consul/protocol.ts';
import { cameFromKubernetes, isOfOtherCluster } from '../../mark.ts';

/** Settings that decide what is mirrored at all. */
export interface Selection {
  readonly services: Patterns;
  readonly requiredTags: readonly string[];
  /** `key=value`; the value is a pattern. */
  readonly requiredMeta: readonly string[];
  readonly otherClusters: boolean;
}

/** Lower-case names that never leave Consul, whoever asks for them: Consul's own and Consular's. */
export function isNeverMirrored(name: string): boolean {
  return name === 'consul' || name === 'consular';
}

/** True when the settings ask for that lower-case name itself, and not for all that a pattern matches. */
export function isNamed({ services }: Pick<Selection, 'services'>, name: string): boolean {
  return services.include.includes(name);
}

/** Lower-case names that are worth reading at all. */
export function isCandidate({ services }: Pick<Selection, 'services'>, name: string): boolean {
  return !isNeverMirrored(name) && selects(services, name);
}

/**
 * The instances that Kubernetes should see, whatever their health: those that live outside of it.
 *
 * | instance                                                                       |                                |
 * |--------------------------------------------------------------------------------|--------------------------------|
 * | a proxy or a gateway                                                           | no                             |
 * | of this cluster's Consular, or of consul-k8s                                   | no                             |
 * | of another cluster's Consular                                                  | with `otherClusters`           |
 * | without a required tag or meta                                                 | no                             |
 * | that `filter` does not select                                                  | no                             |
 * | at the address, port and protocol of one that came out of Kubernetes and is not mirrored | no: a pod that registers twice |
 * | any other; a pod that registers itself is one                                  | yes                            |
 *
 * @param cluster the name of this one
 */
export function instancesToMirror(
  instances: readonly ServiceInstance[],
  cluster: string,
  { requiredTags, requiredMeta, otherClusters }: Omit<Selection, 'services'>,
): ServiceInstance[] {
  const isOutside = (instance: ServiceInstance) =>
    !cameFromKubernetes(instance) || (otherClusters && isOfOtherCluster(cluster, instance.meta));
  const required = requiredMeta.map(parseRequirement);
  const inside = new Set(instances.filter((instance) => !isOutside(instance)).map(placeOf));
  return instances.filter(
    (instance) =>
      instance.kind === '' &&
      instance.isLeftOut !== true &&
      isOutside(instance) &&
      requiredTags.every((tag) => instance.tags.includes(tag)) &&
      required.every(({ key, pattern }) => {
        const value = instance.meta.get(key);
        return value !== undefined && matchesPattern(pattern, value);
      }) &&
      !inside.has(placeOf(instance)),
  );
}

function parseRequirement(text: string): { readonly key: string; readonly pattern: string } {
  const end = text.indexOf('=');
  return { key: text.slice(0, end), pattern: text.slice(end + 1) };
}

function placeOf(instance: ServiceInstance): string {
  const { address, nodeAddress, port } = instance;
  return `${locationOf(address || nodeAddress, port)} ${protocolOf(instance)}`;
}

/** The one rule of `instancesToMirror` that keeps an instance out, in words; undefined for one that Kubernetes should see. */
export function whyNotMirrored(
  instance: ServiceInstance,
  instances: readonly ServiceInstance[],
  cluster: string,
  selection: Omit<Selection, 'services'>,
): string | undefined {
  const { requiredTags, requiredMeta, otherClusters } = selection;
  const isInside = ({ meta }: ServiceInstance) =>
    cameFromKubernetes({ meta }) && !(otherClusters && isOfOtherCluster(cluster, meta));
  if (isInside(instance))
    return isOfOtherCluster(cluster, instance.meta)
      ? 'it is of the Consular of another cluster, and toKubernetes.otherClusters is false'
      : 'it came out of Kubernetes';
  if (instance.kind !== '') return `it is a ${instance.kind}`;
  const tag = requiredTags.find((required) => !instance.tags.includes(required));
  if (tag !== undefined) return `it lacks the tag ${describe(tag)} of toKubernetes.requiredTags`;
  const meta = requiredMeta.find((text) => {
    const { key, pattern } = parseRequirement(text);
    return !matchesPattern(pattern, instance.meta.get(key) ?? '') || !instance.meta.has(key);
  });
  if (meta !== undefined) return `it lacks the meta ${describe(meta)} of toKubernetes.requiredMeta`;
  if (instance.isLeftOut) return 'toKubernetes.filter does not select it';
  const isShared = instances.some((other) => isInside(other) && placeOf(other) === placeOf(instance));
  return isShared ? 'it shares its address, port and protocol with one that came out of Kubernetes' : undefined;
}
