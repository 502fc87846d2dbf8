import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { build, type Build } from './build.ts';
import type { Program } from './process.ts';

export type KubernetesProgram = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-proxy';

const KUBERNETES: Build = {
  title: 'etcd and Kubernetes',
  folder: 'kubernetes',
  package: '.',
  module: 'k8s.io/kubernetes',
  minutes: 4,
  // A program that calls itself v0.0.0-master is not one that clients can compare their own version with.
  linkerFlags: (version) => {
    const [major, minor] = version.slice(1).split('.');
    return Object.entries({ gitVersion: version, gitMajor: major, gitMinor: minor }).map(
      ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
    );
  },
};

const CONSUL: Build = {
  title: 'Consul',
  folder: 'consul',
  package: 'github.com/hashicorp/consul',
  module: 'github.com/hashicorp/consul',
  minutes: 3,
  linkerFlags: () => [],
};

const HELM: Build = {
  title: 'Helm',
  folder: 'helm',
  package: 'helm.sh/helm/v3/cmd/helm',
  module: 'helm.sh/helm/v3',
  minutes: 5,
  // Without a server it takes this for the version of Kubernetes.
  linkerFlags: () =>
    ['chartutil', 'lint/rules'].flatMap((part) => [
      `-X helm.sh/helm/v3/pkg/${part}.k8sVersionMajor=1`,
      `-X helm.sh/helm/v3/pkg/${part}.k8sVersionMinor=36`,
    ]),
};

const ACTIONLINT: Build = {
  title: 'actionlint',
  folder: 'actionlint',
  package: 'github.com/rhysd/actionlint/cmd/actionlint',
  module: 'github.com/rhysd/actionlint',
  minutes: 1,
  linkerFlags: () => [],
};

// The programs of a KUBEBUILDER_ASSETS folder as Kubernetes' own test tools make it; it has no others.
const ASSETS: readonly KubernetesProgram[] = ['etcd', 'kube-apiserver'];

/** Where to find a part of Kubernetes: KUBEBUILDER_ASSETS, then the PATH, then our own build. */
export async function findKubernetesProgram(name: KubernetesProgram): Promise<Program> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets !== undefined) {
    const file = join(assets, name);
    if (await isExecutable(file)) return { file, prefix: [] };
    if (ASSETS.includes(name))
      throw new Error(`Cannot find ${name}: KUBEBUILDER_ASSETS is set, but ${file} is no program`);
  }
  const file = await findOnPath(name);
  return file === undefined ? { file: await build(KUBERNETES), prefix: [name] } : { file, prefix: [] };
}

/** Where to find Consul: CONSUL_BIN, then the PATH, then our own build. */
export async function findConsul(): Promise<Program> {
  const given = process.env.CONSUL_BIN;
  if (given !== undefined && !(await isExecutable(given)))
    throw new Error(`Cannot find consul: CONSUL_BIN is ${given}, which is no program`);
  return { file: given ?? (await findOnPath('consul')) ?? (await build(CONSUL)), prefix: [] };
}

/** Helm 3 is always our own build: what it renders depends on its version. */
export async function findHelm(): Promise<Program> {
  return { file: await build(HELM), prefix: [] };
}

/** The linter of GitHub's workflows is always our own build: what it finds depends on its version. */
export async function findActionlint(): Promise<Program> {
  return { file: await build(ACTIONLINT), prefix: [] };
}

export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name);
    if (folder !== '' && (await isExecutable(file))) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
