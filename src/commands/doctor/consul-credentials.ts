import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ConsulConfig } from '../../config/schema.ts';
import { explainError } from '../../observability/log.ts';
import { findingsOf, type Finding } from './finding.ts';
import { judgeClientCertificate } from './judge-look.ts';
import { outcomeOf } from './reach.ts';
import { word } from './shell.ts';

const ofToken = findingsOf('consul.token');

export async function clientCertificate({ certFile }: ConsulConfig, nowMs: number): Promise<Finding[]> {
  if (certFile === '') return [];
  const read = await outcomeOf(readFile(certFile, 'utf8').then((text) => new X509Certificate(text)));
  return 'value' in read ? [judgeClientCertificate(certFile, new Date(read.value.validTo), nowMs)] : [];
}

/** A file that is named and cannot be used: then nothing is asked at all. */
export async function tokenFile({ tokenFile: file }: ConsulConfig): Promise<Finding[]> {
  if (file === '') return [];
  const read = await outcomeOf(readFile(file, 'utf8'));
  if ('value' in read && read.value.trim() !== '') return [];
  const why = 'error' in read ? explainError(read.error) : 'it is empty';
  const fix = [
    '# With the SecretID of a token in token.txt; in Kubernetes the Deployment mounts this Secret:',
    'kubectl -n consular create secret generic consular-consul --from-file=token=token.txt',
    `# elsewhere: cp token.txt ${word(file)}`,
  ].join('\n');
  return [ofToken.error(`consul.tokenFile: expected a token in ${file}, found none: ${why}`, fix)];
}

/**
 * What mends a login that fails; each row that Consul (1.22) cannot be told from by its status alone:
 *
 * | the error says                         | it is                                                   |
 * |----------------------------------------|---------------------------------------------------------|
 * | that the bearer token file was not read | not mounted                                            |
 * | `auth method ... not found`            | another name than Consul knows                          |
 * | `Permission denied`                    | no binding rule that fits, or a token of somebody else  |
 * | anything else                          | a bearer token that the auth method does not take       |
 *
 * @param role that the tokens of the login get
 */
export function judgeLogin({ authMethod, bearerTokenFile }: ConsulConfig['login'], role: string, why: string): Finding {
  const method = word(authMethod);
  const advise = (): string[] => {
    if (why.includes('read bearer token file'))
      return [
        `ls -l ${word(bearerTokenFile)}   # what consul.login.bearerTokenFile names; in Kubernetes the Deployment mounts it with, in your kustomization:`,
        '# components: [<deploy/kubernetes/consul-login>]',
      ];
    if (/auth method .*not found/.test(why))
      return [
        'consul acl auth-method list   # one of these is what consul.login.authMethod has to name; to make it:',
        `consul acl auth-method create -name ${method} -type jwt -max-token-ttl 1h -config @deploy/consul/auth-method.json`,
        bindingRule(authMethod, role),
      ];
    if (why.includes('Permission denied'))
      return [
        `consul acl binding-rule list -method ${method}   # does the selector of one fit to our service account? If not:`,
        bindingRule(authMethod, role),
      ];
    return [
      `consul acl auth-method read -name ${method}   # its keys, issuer and audience have to be those of the token in ${word(bearerTokenFile)}`,
    ];
  };
  return ofToken.error(`consul.login: ${why}`, advise().join('\n'));
}

/** A command that gives the tokens of a login the rights of a role. */
export function bindingRule(authMethod: string, role: string): string {
  const selector = 'value.namespace=="consular" and value.name=="consular"';
  return `consul acl binding-rule create -method ${word(authMethod)} -bind-type role -bind-name ${word(role)} -selector '${selector}'   # the names of our service account`;
}
