import type { ConsulConfig } from '../../config/schema.ts';
import { ConsulError } from '../../consul/errors.ts';
import { mayToken, type OwnToken } from '../../consul/own-token.ts';
import { bindingRule } from './consul-credentials.ts';
import { findingsOf, type Finding } from './finding.ts';
import { aclRule, describeAcl, neededAcls, type NeededAcl } from './needed-acl.ts';
import type { Check, Patient } from './patient.ts';
import { hereDocument } from './rights-manifest.ts';
import { word } from './shell.ts';

const ofToken = findingsOf('consul.token');
const ofRight = findingsOf('consul.right');
const DAY_MS = 86_400_000;
/** A token that ends within so long is told. */
const SOON_MS = 7 * DAY_MS;

/** Whether Consul knows the token, and it has each right that the daemon needs. */
export const consulRights: Check = {
  id: 'consul.right',
  needs: ['Consul'],
  run: async (patient) => {
    const { config, consul, now, reads } = patient;
    const token = await reads.token();
    if (token === 'disabled') return [ofToken.ok('Consul has no ACLs: every token, and none, may do everything')];
    const names = await namesAskedFor(patient);
    const needed = neededAcls(config, names.known);
    const { token: given, tokenFile, login } = config.consul;
    const isAnonymous = given === '' && tokenFile === '' && login.authMethod === '';
    // A token that Consul does not know is refused whatever it asks; none at all has the rights of the anonymous one.
    const context = { cluster: config.cluster, consul: config.consul, token, isAnonymous, nowMs: now() };
    const allowed =
      token === 'unknown' && !isAnonymous ? needed.map(() => false) : await mayTokenOrUntold(consul, needed);
    if (!allowed)
      return [
        judgeToken(context, needed, []),
        ofRight.skipped('Consul, or who is before it, does not say what the token may do'),
      ];
    const rights = token === 'unknown' ? [] : needed.map((acl, i) => judgeAcl(context, acl, allowed[i] === true));
    return [judgeToken(context, needed, allowed), ...rights, ...(token === 'unknown' ? [] : names.notes)];
  },
};

/** Undefined where the question itself is not known: by an old Consul, or by a proxy before it. */
async function mayTokenOrUntold(
  consul: Patient['consul'],
  needed: readonly NeededAcl[],
): Promise<boolean[] | undefined> {
  try {
    return await mayToken(consul, needed);
  } catch (error) {
    if (error instanceof ConsulError && (error.status === 404 || error.status === 405)) return undefined;
    throw error;
  }
}

export interface TokenContext {
  readonly cluster: string;
  readonly consul: Pick<ConsulConfig, 'token' | 'tokenFile' | 'login'>;
  readonly token: OwnToken | 'unknown';
  /** No token is configured. */
  readonly isAnonymous: boolean;
  readonly nowMs: number;
}

/** What is to be said of the token itself. */
export function judgeToken(context: TokenContext, needed: readonly NeededAcl[], allowed: readonly boolean[]): Finding {
  const { token, consul, isAnonymous, nowMs } = context;
  if (token === 'unknown') {
    if (isAnonymous && allowed.length > 0 && allowed.every(Boolean))
      return ofToken.ok('no token is configured, and Consul gives the anonymous one all rights that are needed');
    const what = isAnonymous
      ? 'Consul has ACLs, and no token is configured'
      : 'Consul does not know the token (ACL not found)';
    return ofToken.error(`${what}: nothing can be read or written`, newToken(context, needed));
  }
  const method = methodOf(consul);
  const endsMs = Date.parse(token.expirationTime);
  // The token of a login is renewed before it ends.
  if (method === '' && endsMs - nowMs < SOON_MS)
    return ofToken.warning(`token ${token.accessorId} ends ${token.expirationTime}`, newToken(context, needed));
  const has = [...token.policies.map((name) => `policy ${name}`), ...token.roles.map(({ name }) => `role ${name}`)];
  return ofToken.ok(
    `Consul knows token ${token.accessorId}${method === '' ? '' : `, by a login with auth method ${method}`}, with ${has.length === 0 ? 'no policy or role' : has.join(', ')}`,
  );
}

/** The auth method that the token comes from; empty for a token that was given. */
function methodOf({ token, tokenFile, login }: TokenContext['consul']): string {
  return token === '' && tokenFile === '' ? login.authMethod : '';
}

/** What is to be said of one right. */
export function judgeAcl(context: TokenContext, acl: NeededAcl, isAllowed: boolean): Finding {
  const what = `${describeAcl(acl)} ${acl.access}`;
  if (isAllowed) return ofRight.ok('allowed', what);
  return ofRight.bad(acl.level, `the token has no such right: ${acl.without}`, addRule(context, acl), what);
}

/**
 * Commands that add a rule to what the token has. They are for somebody with the right to write ACLs.
 *
 * | the token has          | then                                            |
 * |------------------------|-------------------------------------------------|
 * | a policy               | the rule is added to that: the first of them     |
 * | no policy, but a role  | a new policy with the rule, for that role        |
 * | neither                | a new policy with the rule, for the token        |
 * | neither, by a login    | a new policy and role with the rule, for the logins that come |
 */
function addRule({ cluster, token, consul }: TokenContext, acl: NeededAcl): string {
  const { policies, roles, accessorId } = token === 'unknown' ? NO_TOKEN : token;
  const rule = aclRule(acl).trimEnd();
  const [policy] = policies;
  if (policy !== undefined)
    return [
      `{ consul acl policy read -name ${word(policy)} -format json | jq -r .Rules; cat <<'EOF'`,
      rule,
      'EOF',
      `} | consul acl policy update -name ${word(policy)} -rules -`,
    ].join('\n');
  const name = `consular-${cluster}-${describeAcl(acl).replaceAll(/[^A-Za-z0-9]+/g, '-')}${acl.access}`;
  const [role] = roles;
  const method = methodOf(consul);
  if (role === undefined && method !== '')
    return [
      hereDocument(`consul acl policy create -name ${name} -rules -`, rule),
      `consul acl role create -name ${name} -policy-name ${name}`,
      bindingRule(method, name),
    ].join('\n');
  return [
    hereDocument(`consul acl policy create -name ${name} -rules -`, rule),
    role === undefined
      ? `consul acl token update -accessor-id ${accessorId} -append-policy-name ${name}`
      : `consul acl role update -id ${word(role.id)} -policy-name ${name}   # role ${word(role.name)}`,
  ].join('\n');
}

const NO_TOKEN: OwnToken = { accessorId: '', policies: [], roles: [], createTime: '', expirationTime: '' };

/** Commands that make a policy and a token, and put that where the daemon finds it. */
function newToken({ cluster, consul }: TokenContext, needed: readonly NeededAcl[]): string {
  const name = `consular-${cluster}`;
  const setting = consul.tokenFile === '' ? '/run/consular/consul/token' : consul.tokenFile;
  return [
    hereDocument(`consul acl policy create -name ${name} -rules -`, needed.map(aclRule).join('\n')),
    `consul acl token create -description "Consular of cluster ${cluster}" -policy-name ${name} -format json | jq -r .SecretID > token.txt`,
    `# The file token.txt is what consul.tokenFile has to name: ${setting}. In Kubernetes it is a key of the Secret:`,
    '# kubectl -n consular create secret generic consular-consul --from-file=token=token.txt',
  ].join('\n');
}

interface Names {
  readonly known: readonly string[];
  /** Why there may be more. */
  readonly notes: readonly Finding[];
}

/** What pods and Services ask for in Consul; where that cannot be read, its own check says so. */
async function namesAskedFor({ reads }: Patient): Promise<Names> {
  try {
    const { names, isWhole } = await reads.asked();
    const notes = isWhole
      ? []
      : [ofRight.skipped('there are more pods and Services than were looked at: their names are not in this list')];
    return { known: names, notes };
  } catch {
    return { known: [], notes: [ofRight.skipped('which names pods ask for is not known, as pods could not be read')] };
  }
}
