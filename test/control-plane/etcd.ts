import { request } from 'undici';
import { freePorts } from './ports.ts';
import { startProcess, waitUntilReady } from './process.ts';
import { findKubernetesProgram } from './programs.ts';
import type { RunDirectory } from './run-directory.ts';

/** Starts etcd, with its data in the run directory, and returns the address that clients use. */
export async function startEtcd(run: RunDirectory): Promise<string> {
  const [clientPort, peerPort] = await freePorts(2);
  const address = `http://127.0.0.1:${clientPort}`;
  const peerAddress = `http://127.0.0.1:${peerPort}`;
  const etcd = await startProcess({
    name: 'etcd',
    program: await findKubernetesProgram('etcd'),
    arguments: [
      `--data-dir=${run.path}/etcd`,
      `--listen-client-urls=${address}`,
      `--advertise-client-urls=${address}`,
      `--listen-peer-urls=${peerAddress}`,
      `--initial-advertise-peer-urls=${peerAddress}`,
      `--initial-cluster=default=${peerAddress}`,
      '--unsafe-no-fsync', // the data need not survive the machine
      '--log-level=warn',
    ],
    run,
  });
  await waitUntilReady(etcd, async () => {
    const { statusCode, body } = await request(`${address}/readyz`);
    await body.dump();
    return statusCode === 200;
  });
  return address;
}
