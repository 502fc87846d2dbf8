import { spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { findConsul, findKubernetesProgram } from '../control-plane/index.ts';
import { findProgram, type WantedProgram } from '../debian.ts';
import { bundle } from '../rig/bundle.ts';
import { ROOT } from '../rig/manifests.ts';
import { buildSpringApplication } from '../spring/build.ts';
import { findNamespaces } from './namespaces.ts';
import { networkOf } from './network.ts';
import { JEST, untilTestsEnd } from '../jest-child.ts';

/** Of Debian, beside what everybody has who develops Consular. */
const PROGRAMS: readonly WantedProgram[] = [
  { title: 'ip', names: ['ip'], packages: ['iproute2'] },
  { title: 'nft', names: ['nft'], packages: ['nftables'] },
  { title: 'Java', names: ['java'], packages: ['default-jdk-headless'] },
  { title: 'Maven', names: ['mvn'], packages: ['maven', 'default-jdk-headless'] },
];

/**
 * Makes everything that comes from outside, and then runs the tests in a network namespace of their own: no rule,
 * address or route of theirs ever touches this machine, and the kernel removes them with the last process.
 */
async function main(): Promise<number> {
  const namespaces = await findNamespaces();
  if ('refused' in namespaces) {
    process.stdout.write(`e2e: skipped, because no network namespaces are allowed here (${namespaces.refused})\n`);
    return 0;
  }
  const path = await findPrograms();
  await bundle();
  await findConsul();
  for (const name of ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-proxy'] as const)
    await findKubernetesProgram(name);
  await buildSpringApplication();
  return runTests(namespaces.command, path);
}

/** A PATH on which all of them are. */
async function findPrograms(): Promise<string> {
  const folders = [process.env.PATH ?? ''];
  for (const wanted of PROGRAMS) {
    const found = await findProgram(wanted);
    if ('missing' in found) throw new Error(`${found.missing} (Debian: apt-get install ${wanted.packages.join(' ')})`);
    folders.push(dirname(found.file));
  }
  return folders.join(delimiter);
}

async function runTests([file = '', ...way]: readonly string[], path: string): Promise<number> {
  const jest = [...JEST, '--selectProjects', 'e2e', '--runInBand', ...process.argv.slice(2)];
  const tests = spawn(file, [...way, process.execPath, ...jest], {
    cwd: ROOT,
    env: { ...process.env, PATH: path, CONSULAR_E2E_MACHINE_NETWORK: await networkOf('self') },
    stdio: 'inherit',
  });
  return untilTestsEnd(tests);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`e2e: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
