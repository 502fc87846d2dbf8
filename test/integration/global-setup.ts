import { findConsul, startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';

declare global {
  var consularTestPlane: KubernetesPlane | undefined;
}

/** One Kubernetes for all test files (each takes namespaces of its own); building both programs here keeps a first build out of the tests' limits. */
export default async function setUp(): Promise<void> {
  await findConsul();
  const plane = await startKubernetes();
  globalThis.consularTestPlane = plane;
  process.env.CONSULAR_TEST_SERVER = plane.server;
  process.env.CONSULAR_TEST_KUBECONFIG = plane.kubeconfig;
  process.env.CONSULAR_TEST_ADMIN_TOKEN = plane.adminToken;
  process.env.CONSULAR_TEST_CA = plane.caFile;
}
