import { authorityOf } from '../../address.ts';
import type { CheckStatus } from '../../consul/types.ts';
import { META } from '../../mark.ts';
import type { Listing } from '../../status-page/listing.ts';
import type { OwnInstance } from '../observed/own-instance.ts';

/** A pod, and what it is in Consul. */
export interface ListedPod {
  /** `namespace/name` */
  readonly pod: string;
  /** In Kubernetes; empty for a pod without an instance. */
  readonly node: string;
  /** `Deployment/orders`; empty where no instance tells. */
  readonly workload: string;
  /** Of ours, by their ID. */
  readonly instances: readonly ListedInstance[];
  /** What is wrong with the pod; empty where nothing is. */
  readonly why: string;
}

export interface ListedInstance {
  readonly id: string;
  readonly service: string;
  /** In Consul. */
  readonly node: string;
  /** With its port. */
  readonly address: string;
  readonly tags: readonly string[];
  readonly status: CheckStatus;
  /** Of the check, one line. */
  readonly output: string;
}

export interface ListedPodsOptions {
  readonly own: {
    podKeys(): Iterable<string>;
    ofPod(podKey: string): ReadonlyMap<string, OwnInstance>;
  };
  /** What is wrong, by object: `Pod namespace/name`. */
  readonly rejected: ReadonlyMap<string, string>;
}

const POD = 'Pod ';

/** Every pod that has an instance of ours in Consul, or asked for one and does not get it. */
export function listPods({ own, rejected }: ListedPodsOptions): Listing<ListedPod> {
  return {
    *keys() {
      yield* own.podKeys();
      for (const object of rejected.keys()) if (object.startsWith(POD)) yield object.slice(POD.length);
    },
    text: (pod) =>
      [pod, ...[...own.ofPod(pod).values()].map(textOf), rejected.get(POD + pod) === undefined ? '' : 'rejected'].join(
        ' ',
      ),
    row: (pod) => {
      const instances = [...own.ofPod(pod).values()].map(({ registration }) => registration);
      const why = rejected.get(POD + pod) ?? '';
      if (instances.length === 0 && why === '') return undefined;
      const [meta] = instances.map((instance) => instance.meta);
      return {
        pod,
        node: meta?.get(META.node) ?? '',
        workload: meta?.get(META.workload) ?? '',
        instances: instances.map(({ id, service, node, address, port, tags, check }) => {
          const { status, output } = check;
          return { id, service, node: node.name, address: authorityOf(address, port), tags, status, output };
        }),
        why,
      };
    },
  };
}

function textOf({ registration }: OwnInstance): string {
  const { service, address, port, node, tags, check } = registration;
  return `${service} ${authorityOf(address, port)} ${node.name} ${tags.join(' ')} ${check.status}`;
}
