import { escapeControls } from '../../json.ts';
import type { Pod, Service } from '../../kubernetes/objects.ts';

/**
 * A readiness gate (KEP-580) that a pod may list: it becomes Ready when it is in Consul, so that a rolling update never
 * runs ahead of Consul. Such a pod cannot be Ready before it is registered, so it counts as ready when everything but
 * this gate is: its containers, and the other gates. People write its name, so it has the prefix that annotations have.
 */
export function gateOf(annotationPrefix: string): string {
  return `${annotationPrefix}/registered`;
}

/** The gate that is served; undefined while none is. */
export function servedGate(config: GateConfig): string | undefined {
  return config.readinessGate ? gateOf(config.annotationPrefix) : undefined;
}

export interface GateConfig {
  readonly readinessGate: boolean;
  /** Without the slash. */
  readonly annotationPrefix: string;
}

export interface Readiness {
  readonly isReady: boolean;
  /** Why, in one line, for the output of the check. */
  readonly output: string;
}

/** @param gate the one that is served; without it gates are others' business, and Ready is what Kubernetes says */
export function readinessOf(pod: Pod, gate: string | undefined): Readiness {
  const { ready } = pod;
  if (gate !== undefined && pod.readinessGates.includes(gate)) {
    const waitsFor = ['ContainersReady', ...pod.readinessGates].filter(
      (type) => type !== gate && pod.conditions.get(type) !== 'True',
    );
    return waitsFor.length === 0
      ? { isReady: true, output: `Everything but the readiness gate ${gate} is ready` }
      : { isReady: false, output: line(`Pod is not Ready: waiting for ${waitsFor.join(', ')}`) };
  }
  const since = ready?.lastTransitionTime ? ` since ${ready.lastTransitionTime}` : '';
  if (ready?.status === 'True') return { isReady: true, output: `Pod is Ready${since}` };
  const why =
    [ready?.reason, ready?.message].filter(Boolean).join(': ') ||
    (ready ? `its condition Ready is ${ready.status}` : 'no Ready condition yet');
  return { isReady: false, output: line(`Pod is not Ready${since}: ${why}`) };
}

function line(text: string): string {
  return escapeControls(text.replace(/\s+/g, ' ')).slice(0, 1024);
}

/** Whether that gate of a pod is still to be opened. */
export function isShut(pod: Pod, gate: string): boolean {
  return pod.readinessGates.includes(gate) && pod.conditions.get(gate) !== 'True';
}

/** Whether Kubernetes will put the pod into the slices of a Service. */
export function selectsPod({ namespace, type, selector }: Service, pod: Pod): boolean {
  if (namespace !== pod.namespace || type === 'ExternalName' || selector.size === 0) return false;
  return [...selector].every(([key, value]) => pod.labels.get(key) === value);
}
