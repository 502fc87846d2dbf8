import { join } from 'node:path';
import { cached } from './build-cache.ts';
import { startProcess, type Program } from './process.ts';
import { findOnPath } from './programs.ts';
import type { RunDirectory } from './run-directory.ts';

export interface Prometheus {
  readonly server: Program;
  readonly promtool: Program;
}

/** Debian's package of Prometheus for this kind of processor, which needs nothing of Debian's but the C library. */
const PACKAGE = {
  version: '2.42.0+ds-5+deb12u1',
  architecture: 'amd64',
  sha256: '81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55',
};
/** Fetches the package by its version, and unpacks it without installing it. The lists of a new machine are empty. */
const FETCH = `
apt-get -q download "prometheus=$1" || { apt-get -q update && apt-get -q download "prometheus=$1"; } || exit
echo "$2  $(echo prometheus_*.deb)" | sha256sum --check && dpkg -x prometheus_*.deb package
`;

/** PROMETHEUS_BIN (a folder with prometheus and promtool), then the PATH, then Debian's package, unpacked into the cache. */
export async function findPrometheus(): Promise<Prometheus> {
  const folder = process.env.PROMETHEUS_BIN;
  const find = async (name: string) => (folder === undefined ? findOnPath(name) : join(folder, name));
  const [server, promtool] = await Promise.all([find('prometheus'), find('promtool')]);
  if (server !== undefined && promtool !== undefined) return { server: program(server), promtool: program(promtool) };
  const unpacked = await cached({
    title: `Prometheus ${PACKAGE.version}`,
    path: `prometheus/${PACKAGE.version}-${PACKAGE.architecture}`,
    duration: '10 seconds',
    start: async (run) => ({ compiler: await fetchPackage(run), product: join(run.path, 'package/usr/bin') }),
  });
  return { server: program(join(unpacked, 'prometheus')), promtool: program(join(unpacked, 'promtool')) };
}

const program = (file: string): Program => ({ file, prefix: [] });

async function fetchPackage(run: RunDirectory) {
  const { platform, arch, env } = process;
  if (platform !== 'linux' || arch !== 'x64')
    throw new Error(
      `find Prometheus: expected Linux on x64, whose package is known, found ${platform} on ${arch}: set PROMETHEUS_BIN to a ` +
        'folder with prometheus and promtool',
    );
  return startProcess({
    name: 'apt-get',
    program: { file: 'sh', prefix: [] },
    arguments: ['-c', FETCH, 'fetch', PACKAGE.version, PACKAGE.sha256],
    run,
    environment: env,
  });
}
