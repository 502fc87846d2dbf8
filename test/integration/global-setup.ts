import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { findConsul, findKubernetesProgram, startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';
import type { Plane } from '../rig/shared-plane.ts';

declare global {
  var consularTestPlanes: { stop(): Promise<void> } | undefined;
}

/**
 * A Kubernetes for each Jest worker that asks for one: a single file needs one only. They belong to this process, which
 * outlives the workers. Building the programs here keeps a first build out of the tests' limits.
 */
export default async function setUp(): Promise<void> {
  await findConsul();
  await findKubernetesProgram('kube-apiserver');
  const planes = new Map<string, Promise<KubernetesPlane>>();
  const planeOf = (worker: string) => {
    const running = planes.get(worker);
    if (running) return running;
    const plane = startKubernetes();
    planes.set(worker, plane);
    // Whoever asks next has it tried again.
    plane.catch(() => planes.delete(worker));
    return plane;
  };
  const server = createServer(({ url = '' }, answer) => {
    // A worker that is busy may use a connection that was kept, and that is being closed by then.
    answer.setHeader('connection', 'close');
    planeOf(url).then(
      ({ server, caFile, adminToken, kubeconfig }) => {
        const plane: Plane = { server, caFile, adminToken, kubeconfig };
        answer.end(JSON.stringify(plane));
      },
      (error: unknown) => answer.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env.CONSULAR_TEST_PLANES = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  globalThis.consularTestPlanes = {
    stop: async () => {
      server.close();
      const stopped = [...planes.values()].map((plane) =>
        plane.then(
          ({ stop }) => stop(),
          () => undefined,
        ),
      );
      await Promise.all(stopped);
    },
  };
}
