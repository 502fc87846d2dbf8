import { MANIFESTS, render, type Rendered } from '../rig/manifests.ts';

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

/** Of the shipped Deployment, what a container runtime is told. */
export interface Pod {
  readonly args: readonly string[];
  readonly volumeMounts: readonly VolumeMount[];
  readonly user: number;
  readonly group: number;
  readonly volumesGroup: number;
  readonly isReadOnly: boolean;
  readonly mayGainPrivileges: boolean;
  readonly droppedCapabilities: readonly string[];
  readonly seccomp: string;
  readonly memoryRequest: number;
  readonly memoryLimit: number;
  readonly graceSeconds: number;
}

interface Deployment extends Rendered {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: {
          readonly runAsUser: number;
          readonly runAsGroup: number;
          readonly fsGroup: number;
          readonly seccompProfile: { readonly type: string };
        };
        readonly containers: readonly [
          {
            readonly args: readonly string[];
            readonly volumeMounts: readonly VolumeMount[];
            readonly resources: {
              readonly requests: { readonly memory: string };
              readonly limits: { readonly memory: string };
            };
            readonly securityContext: {
              readonly allowPrivilegeEscalation: boolean;
              readonly readOnlyRootFilesystem: boolean;
              readonly capabilities: { readonly drop: readonly string[] };
            };
          },
        ];
      };
    };
  };
}

/** The shipped manifests without the Deployment, which a cluster without a kubelet cannot carry out, and what that says. */
export function readShipped(): { readonly objects: readonly Rendered[]; readonly pod: Pod } {
  const all = render(MANIFESTS);
  const deployment = all.find((object): object is Deployment => object.kind === 'Deployment');
  if (deployment === undefined) throw new Error(`read ${MANIFESTS}: expected a Deployment, found none`);
  return { objects: all.filter((object) => object !== deployment), pod: podOf(deployment) };
}

function podOf({ spec: { template } }: Deployment): Pod {
  const { securityContext, terminationGracePeriodSeconds, containers } = template.spec;
  const [{ args, volumeMounts, resources, securityContext: own }] = containers;
  return {
    ...{ args, volumeMounts },
    user: securityContext.runAsUser,
    group: securityContext.runAsGroup,
    volumesGroup: securityContext.fsGroup,
    seccomp: securityContext.seccompProfile.type,
    isReadOnly: own.readOnlyRootFilesystem,
    mayGainPrivileges: own.allowPrivilegeEscalation,
    droppedCapabilities: own.capabilities.drop,
    memoryRequest: bytesOf(resources.requests.memory),
    memoryLimit: bytesOf(resources.limits.memory),
    graceSeconds: terminationGracePeriodSeconds,
  };
}

function bytesOf(quantity: string): number {
  const [, count] = /^(\d+)Mi$/.exec(quantity) ?? [];
  if (count === undefined) throw new Error(`read a size of memory: expected one in Mi, found ${quantity}`);
  return Number(count) * 2 ** 20;
}
