import { request } from 'undici';
import { freePorts } from './ports.ts';
import { restartable, startProcess, waitUntilReady, type Restartable, type RunningProcess } from './process.ts';
import { findKubernetesProgram } from './programs.ts';
import type { RunDirectory } from './run-directory.ts';

export interface Etcd extends Restartable {
  /** That clients use. */
  readonly address: string;
  readonly dataFolder: string;
}

/** Starts etcd, with its data in the run directory. */
export async function startEtcd(run: RunDirectory): Promise<Etcd> {
  const [clientPort, peerPort] = await freePorts(2);
  const address = `http://127.0.0.1:${clientPort}`;
  const dataFolder = `${run.path}/etcd`;
  const start = () => startOn(run, dataFolder, address, `http://127.0.0.1:${peerPort}`);
  return { address, dataFolder, ...restartable(await start(), start) };
}

async function startOn(
  run: RunDirectory,
  dataFolder: string,
  address: string,
  peerAddress: string,
): Promise<RunningProcess> {
  const etcd = await startProcess({
    name: 'etcd',
    program: await findKubernetesProgram('etcd'),
    arguments: [
      `--data-dir=${dataFolder}`,
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
  return etcd;
}
