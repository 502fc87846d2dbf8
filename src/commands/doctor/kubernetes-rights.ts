import { expectObject, objectField, stringField } from '../../json.ts';
import { describeAccess, mayAccount, mayWe, type Access, type MayAccess } from '../../kubernetes/access.ts';
import type { KubernetesRequester } from '../../kubernetes/client.ts';
import { hasStatus } from '../../kubernetes/errors.ts';
import { serviceAccountExists } from '../namespace-rights.ts';
import { findingsOf, type Finding } from './finding.ts';
import { accessesOf, neededRoles, type NeededRole, type NeededRule } from './needed-rights.ts';
import type { Check, Patient } from './patient.ts';
import { grantCommand, subjectOf, type Subject } from './rights-manifest.ts';

const find = findingsOf('kubernetes.right');

/** Whether the daemon has each right that it needs, as the API server's own authorizers say. */
export const kubernetesRights: Check = {
  id: 'kubernetes.right',
  needs: ['Kubernetes'],
  run: async (patient) => {
    const { subject, may, note } = await whoseRights(patient);
    const roles = neededRoles(patient.config, patient.lease);
    const each = roles.flatMap((role) =>
      role.rules.map(async (rule) => {
        const accesses = accessesOf(role, rule);
        const allowed = await Promise.all(accesses.map(may));
        return judgeRule(role, rule, subject, {
          missing: accesses.filter((_, i) => allowed[i] === false),
          unknown: accesses.filter((_, i) => allowed[i] === undefined),
        });
      }),
    );
    return [...(note === undefined ? [] : [find.skipped(note)]), ...(await Promise.all(each))];
  },
};

interface Lacking {
  readonly missing: readonly Access[];
  /** Of which an authorizer could not tell. */
  readonly unknown: readonly Access[];
}

/** What is to be said of a rule. */
export function judgeRule(role: NeededRole, rule: NeededRule, subject: Subject, lacking: Lacking): Finding {
  const { missing, unknown } = lacking;
  const { kind, name, namespace } = role;
  const names = rule.resourceNames ? ` ${rule.resourceNames.join(', ')}` : '';
  const resources = rule.resources.map((resource) =>
    rule.apiGroup === '' ? resource : `${resource}.${rule.apiGroup}`,
  );
  const what = `${rule.verbs.join(', ')} ${resources.join(', ')}${names}${namespace === '' ? '' : ` in ${namespace}`}`;
  const where = `${kind} ${name}`;
  if (missing.length > 0) {
    const rights = missing.map(describeAccess).join('; ');
    const whose = subject.kind === 'User' ? `user ${subject.name}` : `${subject.namespace}/${subject.name}`;
    return find.bad(
      rule.level,
      `${whose} may not ${rights}: ${rule.without}. It is in deploy/${role.file}`,
      grantCommand(role, missing, subject),
      what,
    );
  }
  const [untold] = unknown;
  if (untold) return find.skipped(`an authorizer of the API server cannot tell of ${describeAccess(untold)}`, what);
  return find.ok(`allowed (${where})`, what);
}

interface Whose {
  readonly subject: Subject;
  readonly may: MayAccess;
  /** Said where it is not the rights of whoever asks. */
  readonly note: string | undefined;
}

/**
 * | whoever asks         | the daemon's account                   | whose rights                 |
 * |----------------------|----------------------------------------|------------------------------|
 * | is a service account |                                        | its own: it is the daemon's  |
 * | is somebody else     | is there, and may be asked about       | the daemon's account's       |
 * | is somebody else     | is not there, or may not be asked about | those of whoever asks, which is said |
 */
async function whoseRights({ kubernetes, account }: Patient): Promise<Whose> {
  const own: MayAccess = (access) => mayWe(kubernetes, access);
  const username = await readUsername(kubernetes);
  const self: Subject = username === undefined ? { kind: 'ServiceAccount', ...account } : subjectOf(username);
  const name = `${account.namespace}/${account.name}`;
  if (self.kind === 'ServiceAccount') return { subject: self, may: own, note: undefined };
  if (!(await mayAskAbout(kubernetes, account)))
    return { subject: self, may: own, note: `rights are those of ${self.name}: of account ${name} nothing is known` };
  return {
    subject: { kind: 'ServiceAccount', ...account },
    may: (access) => mayAccount(kubernetes, account, access),
    note: `rights are those of account ${name} (--account), and not those of ${self.name}, who asks`,
  };
}

async function mayAskAbout(kubernetes: KubernetesRequester, account: Patient['account']): Promise<boolean> {
  try {
    if (!(await serviceAccountExists(kubernetes, account))) return false;
    await mayAccount(kubernetes, account, { verb: 'get', group: '', resource: 'pods', namespace: account.namespace });
    return true;
  } catch (error) {
    if (hasStatus(error, 403)) return false;
    throw error;
  }
}

/** Who we are to the API server; every account may ask. Undefined before Kubernetes 1.28, which does not tell it. */
async function readUsername(kubernetes: KubernetesRequester): Promise<string | undefined> {
  const kind = 'SelfSubjectReview';
  try {
    const answer = await kubernetes.request({
      purpose: { verb: 'create', kind, object: '' },
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind },
    });
    return stringField(objectField(objectField(expectObject(answer, kind), 'status'), 'userInfo'), 'username');
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}
