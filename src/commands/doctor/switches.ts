import type { Config } from '../../config/schema.ts';
import { ANNOTATION } from '../../mark.ts';
import { entryId, entryIn, ownNodeName } from '../../to-consul/identity/entry.ts';
import type { LeaseName } from '../../kubernetes/lease.ts';
import { writesOffBy } from '../writes-off.ts';
import { findingsOf, type Finding } from './finding.ts';
import { readClusterUid } from './identity.ts';
import type { Check } from './patient.ts';
import { word } from './shell.ts';

const ofWrites = findingsOf('switch.writes');
const ofRemovals = findingsOf('switch.removals');
const ofFile = findingsOf('switch.file');

/** Whether something keeps the daemon from doing all that it would do: writes that are off, removals that never happen. */
export const switches: Check = {
  id: 'switch.writes',
  needs: ['Kubernetes'],
  run: async ({ config, kubernetes, account, lease, file }) => {
    const by = await writesOffBy(config, kubernetes, { namespace: lease?.namespace ?? account.namespace });
    return [judgeWrites(config, by, lease, file), judgeRemovals(config)];
  },
};

/** @param by who says that writes are off, a sentence each */
export function judgeWrites(
  { writes, controlFile }: Pick<Config, 'writes' | 'controlFile'>,
  by: readonly string[],
  lease: LeaseName | undefined,
  file: string,
): Finding {
  if (by.length === 0) return ofWrites.ok('writes are on');
  const fix = [
    ...(writes === 'off' ? [`# in ${word(file)}:`, 'writes: on'] : []),
    ...by.flatMap((who) => {
      if (who.startsWith('annotation') && lease)
        return [`kubectl -n ${word(lease.namespace)} annotate lease ${word(lease.name)} ${ANNOTATION.writes}-`];
      return who.startsWith('control file') ? [`sed -i '/^writes off/d' ${word(controlFile)}`] : [];
    }),
  ];
  return ofWrites.warning(
    `writes are off, by ${by.join(' and by ')}: nothing is registered, mirrored or removed until they are on`,
    fix.join('\n'),
  );
}

export function judgeRemovals({ toConsul, toKubernetes }: Pick<Config, 'toConsul' | 'toKubernetes'>): Finding {
  const never = [
    ...(toConsul.enabled && toConsul.removals === 'never' ? ['toConsul'] : []),
    ...(toKubernetes.enabled && toKubernetes.removals === 'never' ? ['toKubernetes'] : []),
  ];
  if (never.length === 0) return ofRemovals.ok('what is gone is removed');
  const names = never.map((direction) => `${direction}.removals`).join(' and ');
  return ofRemovals.warning(
    `${names}: never: what is gone stays, critical or not ready; consular plan lists it as kept`,
    never.map((direction) => `${direction}:\n  removals: on`).join('\n'),
  );
}

/** Whether the daemon takes its file, as far as its own entry in Consul says. */
export const daemonsFile: Check = {
  id: 'switch.file',
  needs: ['Kubernetes', 'Consul'],
  run: async (patient) => {
    const owner = { cluster: patient.config.cluster, clusterUid: await readClusterUid(patient) };
    const contents = await patient.nodes.read(ownNodeName(owner));
    if (!entryIn(owner, contents)) return [ofFile.skipped('there is no entry of Consular in Consul that could tell')];
    const check = contents?.checks.find(({ checkId }) => checkId === entryId(owner));
    return [judgeFile(check?.output ?? '')];
  },
};

/** As ConfigFile says it. */
const NEEDS_RESTART = 'changed, which needs a restart';
const REFUSED = 'is not valid, and the settings of before go on';

/** @param output of the check of Consular's own entry */
export function judgeFile(output: string): Finding {
  const said = output.split('\n').find((line) => line.includes(REFUSED) || line.includes(NEEDS_RESTART));
  if (said === undefined) return ofFile.ok("Consular's own entry says nothing against its file");
  const fix = said.includes(NEEDS_RESTART)
    ? 'kubectl -n consular rollout restart deployment/consular   # in the namespace that it runs in'
    : 'kubectl -n consular logs -l app.kubernetes.io/name=consular --tail=20   # each mistake in the file that it found; until these are mended it goes on with what it had';
  return ofFile.warning(`Consular's own entry in Consul says: ${said}`, fix);
}
