import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Finding } from '../../src/commands/doctor/finding.ts';
import { findConsul } from '../control-plane/index.ts';
import { findProgram } from '../debian.ts';
import { commandLine } from './command-line.ts';

/** What `consular doctor` said. */
export interface Diagnosis {
  readonly status: number;
  readonly findings: readonly Finding[];
  /** What it said meanwhile. */
  readonly progress: string;
  /** The findings of one check; of one subject of it, when that is given. */
  of(id: string, subject?: string): Finding[];
}

/** Asks the doctor about an installation with these settings. @param args beside the configuration and the format */
export async function diagnose(settings: object, ...args: string[]): Promise<Diagnosis> {
  const folder = await mkdtemp(join(tmpdir(), 'consular-doctor-'));
  try {
    const file = join(folder, 'consular.json');
    await writeFile(file, JSON.stringify(settings));
    const said = await commandLine()('doctor', '--config', file, '--output', 'json', ...args);
    if (said.stdout === '') throw new Error(`ask the doctor: expected a report, found ${said.stderr}`);
    const { findings } = JSON.parse(said.stdout) as { findings: Finding[] };
    return {
      ...{ status: said.status, findings, progress: said.stderr },
      of: (id, subject) => findings.filter((one) => one.id === id && (subject ?? one.subject) === one.subject),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Whoever has all rights in both systems. */
export interface Administrator {
  readonly kubeconfig: string;
  readonly consulAddress: string;
  readonly consulToken: string;
}

export const KUBECTL = { title: 'kubectl', names: ['kubectl'], packages: ['kubernetes-client'] };
const JQ = { title: 'jq', names: ['jq'], packages: ['jq'] };

/**
 * Does what the doctor advised, as somebody who copies it into a shell.
 * @param folder where the shell runs @returns what it printed @throws Error when a command fails
 */
export async function follow(
  advice: string,
  { kubeconfig, consulAddress, consulToken }: Administrator,
  folder: string,
): Promise<string> {
  const [kubectl, jq, consul] = await Promise.all([findProgram(KUBECTL), findProgram(JQ), findConsul()]);
  for (const found of [kubectl, jq]) if ('missing' in found) throw new Error(`follow advice: ${found.missing}`);
  await symlink(consul.file, join(folder, 'consul')).catch(() => undefined);
  const programs = [kubectl, jq].flatMap((found) => ('file' in found ? [dirname(found.file)] : []));
  const shell = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', advice], {
    cwd: folder,
    env: {
      PATH: [folder, ...programs, process.env.PATH ?? ''].join(delimiter),
      HOME: folder,
      KUBECONFIG: kubeconfig,
      CONSUL_HTTP_ADDR: consulAddress,
      CONSUL_HTTP_TOKEN: consulToken,
    },
  });
  let text = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (piece: Buffer) => (text += piece.toString()));
  const [code] = (await once(shell, 'close')) as [number];
  if (code !== 0) throw new Error(`follow advice: expected 0, found ${code}\n${advice}\n${text}`);
  return text;
}
