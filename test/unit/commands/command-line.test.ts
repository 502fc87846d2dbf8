import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { commandLine } from '../../rig/command-line.ts';

describe('the command line', () => {
  const consular = commandLine();
  const hint = '\nTry consular --help.\n';

  it.each([
    ['shows the help when asked', ['--help'], 'consular: a registrar between Kubernetes and Consul'],
    ['shows the help when nothing is asked', [], 'consular: a registrar between Kubernetes and Consul'],
    ['shows the help of a command without doing it', ['run', '--help'], 'Usage:\n  consular run  --config FILE'],
    ['shows its version', ['-v'], 'test\n'],
  ])('%s', async (_, args, text) => {
    const { status, stdout, stderr } = await consular(...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(text);
  });

  it.each([
    ['an unknown command', ['walk'], 'expected the command run, plan, explain, release, doctor or purge, found "walk"'],
    ['an unknown option', ['plan', '--colour'], "Unknown option '--colour'"],
    ['a second command', ['run', 'plan'], 'expected one command, found "run plan"'],
    [
      'another Consul for the daemon',
      ['run', '--consul-address', 'http://x'],
      '--consul-address: expected with plan, explain, release, doctor or purge, found with run',
    ],
    ['a daemon that only looks', ['run', '--dry-run'], '--dry-run: expected with purge, found with run'],
    [
      'text of the daemon',
      ['run', '--output', 'text'],
      '--output: expected with plan, explain, release, doctor or purge',
    ],
    ['a plan that takes over', ['plan', '--take-over'], '--take-over: expected with run, found with plan'],
    [
      'an explanation of another name',
      ['explain', 'pod', 'a/b', '--rename-from', 'c'],
      '--rename-from: expected with run',
    ],
    ['a release for one direction', ['release', '--direction', 'both'], '--direction: expected with purge'],
    [
      'a report in time',
      ['doctor', '--timeout', '3'],
      '--timeout: expected with plan, explain, release or purge, found with doctor',
    ],
    ['no configuration', ['plan'], 'expected --config FILE, found none'],
    ['an unknown kind', ['explain', 'node', 'a'], 'explain: expected pod, service or consul-service, found "node"'],
    ['no kind', ['explain'], 'explain: expected pod, service or consul-service, found ""'],
    ['a pod without namespace', ['explain', 'pod', 'a'], 'explain pod: expected NAMESPACE/NAME, found "a"'],
    ['two names', ['explain', 'service', 'a/b', 'c'], 'explain service: expected NAMESPACE/NAME, found "a/b c"'],
    [
      'an account without namespace',
      ['plan', '--config', 'config/consular.yaml', '--account', 'consular'],
      '--account: expected NAMESPACE/NAME, found "consular"',
    ],
    ['a release of nothing', ['release'], 'release: expected a HASH of 8 characters of 0-9 and a-f, found ""'],
    ['a release of what is no hash', ['release', 'ORDERS'], 'found "ORDERS"'],
    ['a release of two hashes', ['release', '4be2a9c1', '0a1b2c3d'], 'found "4be2a9c1 0a1b2c3d"'],
    [
      'a purge of half a direction',
      ['purge', '--direction', 'consul'],
      'to-consul, to-kubernetes, both, found "consul"',
    ],
    ['a purge of something', ['purge', 'orders'], 'expected one command, found "purge orders"'],
    ['no name', ['explain', 'consul-service'], 'explain consul-service: expected NAME, found ""'],
  ])('refuses %s', async (_, args, text) => {
    const { status, stdout, stderr } = await consular(...args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^consular: /);
    expect(stderr).toContain(text);
    expect(stderr.endsWith(hint)).toBe(true);
  });

  it('shows an example and the exit codes of each command in its help', async () => {
    for (const command of ['run', 'plan', 'explain', 'release']) {
      const { stdout } = await consular(command, '--help');
      expect(stdout).toMatch(new RegExp(`Examples:\\n(.*\\n)*.*consular ${command} .*--config`));
      expect(stdout).toMatch(/Exit codes: 0 [^;]*; 1 [^;]*; 2 /);
    }
  });

  it('tells of an election without a namespace before anything is connected', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'consular-'));
    const file = join(folder, 'consular.yaml');
    const kubernetes = 'kubernetes: {kubeconfig: /nowhere/kubeconfig}';
    await writeFile(file, `cluster: prod\n${kubernetes}\nleaderElection: {enabled: true}\n`);
    const { status, stderr } = await consular('run', '--config', file);
    expect(status).toBe(1);
    expect(stderr).toContain('leaderElection.namespace: expected a namespace for the Lease');
    expect(stderr).not.toContain('kubeconfig');
  });

  it('has no hint for what is wrong with a configuration: its text says where', async () => {
    const { status, stderr } = await consular('run', '--config', '/nowhere/consular.yaml');
    expect(status).toBe(1);
    expect(stderr).toContain('configuration /nowhere/consular.yaml: 1 problem\n  expected a readable file');
    expect(stderr).not.toContain(hint);
  });
});
