import { findingsOf, type Finding } from './finding.ts';
import type { Look, Presented } from './look.ts';

const DAY_MS = 86_400_000;
/** A certificate that ends within so long is told. */
const SOON_MS = 14 * DAY_MS;
/** The Date header has whole seconds, and machines that keep time are within one. */
const SKEW_MS = 5000;

/** What is wrong with a certificate, as far as what mends it is concerned. */
export type CertificateFault = 'ended' | 'of another CA' | 'for other names' | 'other';

/**
 * What is to be said of the certificate that a server presents.
 * @param mend what mends that fault
 */
export function judgeCertificate(
  id: string,
  certificate: Presented,
  nowMs: number,
  mend: (fault: CertificateFault) => string,
): Finding {
  const find = findingsOf(id);
  const { subject, issuer, names, problem } = certificate;
  const ends = certificate.validTo.getTime();
  const what = `its certificate (${subject || names}, issued by ${issuer})`;
  if (ends < nowMs) return find.error(`${what} has expired ${dayOf(ends)}`, mend('ended'));
  if (problem !== undefined) {
    const fault = faultOf(problem);
    return find.error(`${what} is not believed: ${explainFault(fault, names)} (${problem})`, mend(fault));
  }
  if (ends - nowMs < SOON_MS) return find.warning(`${what} expires ${dayOf(ends)}`, mend('ended'));
  return find.ok(`its certificate is valid until ${dayOf(ends)}`);
}

/** @param problem a code of Node.js or OpenSSL */
function faultOf(problem: string): CertificateFault {
  if (problem === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'for other names';
  if (problem === 'CERT_HAS_EXPIRED') return 'ended';
  return /SELF_SIGNED|UNABLE_TO_|SIGNATURE/.test(problem) ? 'of another CA' : 'other';
}

function explainFault(fault: CertificateFault, names: string): string {
  switch (fault) {
    case 'for other names':
      return `it is for other names, ${names}`;
    case 'of another CA':
      return 'another CA than ours has signed it';
    case 'ended':
      return 'it, or that of its CA, has expired';
    case 'other':
      return 'it is not as it should be';
  }
}

/** What is to be said of our own certificate. */
export function judgeClientCertificate(file: string, validTo: Date, nowMs: number): Finding {
  const find = findingsOf('consul.client-certificate');
  const ends = validTo.getTime();
  const fix = `consul tls cert create -client   # with the key of the CA; then put both files where consul.certFile and consul.keyFile say`;
  if (ends < nowMs) return find.error(`the client certificate in ${file} has expired ${dayOf(ends)}`, fix);
  if (ends - nowMs < SOON_MS) return find.warning(`the client certificate in ${file} expires ${dayOf(ends)}`, fix);
  return find.ok(`the client certificate in ${file} is valid until ${dayOf(ends)}`);
}

/** How far the clock of a server is from ours, as far as an answer tells: between when we asked and when we had it. */
export function skewMs({ date, askedMs, answeredMs }: Pick<Look, 'date' | 'askedMs' | 'answeredMs'>): number {
  if (!date) return 0;
  const [earliest, latest] = [date.getTime(), date.getTime() + 1000];
  if (earliest > answeredMs) return earliest - answeredMs;
  return latest < askedMs ? latest - askedMs : 0;
}

export function judgeClock(id: string, look: Pick<Look, 'date' | 'askedMs' | 'answeredMs'>): Finding[] {
  const find = findingsOf(id);
  if (!look.date) return [find.skipped('it does not say what time it has')];
  const skew = skewMs(look);
  if (Math.abs(skew) < SKEW_MS) return [find.ok('its clock and ours agree')];
  const away = `${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'}`;
  const message = `its clock is ${away} ours: certificates and tokens may count as expired, or as not valid yet, and times in logs differ`;
  return [find.warning(message, 'chronyc tracking   # on both machines; one of them has the wrong time')];
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ') + ' UTC';
}
