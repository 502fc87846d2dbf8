import { readFile } from 'node:fs/promises';

/** Of Debian's golang-github-containers-common, which buildah brings along: the default of container runtimes. */
const DEFAULT = '/usr/share/containers/seccomp.json';
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

interface Condition {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
}
interface Rule {
  readonly names: readonly string[];
  readonly action: string;
  readonly args?: readonly object[] | null;
  readonly errnoRet?: number;
  readonly includes?: Condition;
  readonly excludes?: Condition;
}
interface Profile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly syscalls: readonly Rule[];
}

/** `RuntimeDefault` for a process without capabilities, in the form that runc takes. */
export async function runtimeDefault(): Promise<object> {
  const { defaultAction, defaultErrnoRet, syscalls } = JSON.parse(await readFile(DEFAULT, 'utf8')) as Profile;
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  const counts = ({ includes, excludes }: Rule) =>
    includes?.caps === undefined &&
    (includes?.arches?.includes(architecture) ?? true) &&
    !(excludes?.arches?.includes(architecture) ?? false);
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    syscalls: syscalls.filter(counts).map(({ names, action, args, errnoRet }) => ({
      ...{ names, action, args: args ?? [] },
      ...(errnoRet === undefined ? {} : { errnoRet }),
    })),
  };
}
