import { amount, element, fill, name, span } from './dom.js';

const place = (id) => document.getElementById(id);

/** The upper part of the page, from what /status says. */
export function showSummary(status) {
  document.title = `Consular ${status.cluster}`;
  fill(place('cluster'), name(status.cluster));
  fill(place('badges'), ...badgesOf(status));
  fill(place('facts'), ...factsOf(status));
  fill(place('notices'), ...noticesOf(status));
  fill(place('sums'), ...sumsOf(status).map(([what, value, kind]) => sum(what, value, kind)));
}

const badge = (text, kind) => element('span', { class: `badge ${kind}` }, text);

const LEADING = {
  leading: ['leader', 'good'],
  standby: ['standby', 'warn'],
  'without an election': ['writes, without an election', 'good'],
};

function badgesOf({ ready, leader, writes }) {
  const [role, kind] = LEADING[leader.is] ?? [leader.is, 'bad'];
  return [
    ready ? badge('ready', 'good') : badge('not ready', 'bad'),
    badge(role, kind),
    writes.enabled ? undefined : badge('writes are off', 'bad'),
  ];
}

function factsOf(status) {
  const { version, leader, lastChange, consul, consulUi } = status;
  const { phase, epoch } = leader;
  return [
    element('span', {}, `version ${version}`),
    phase === 'running' ? undefined : element('span', {}, phase),
    epoch === null ? undefined : element('span', {}, `epoch ${epoch}`),
    lastFact('last change in Consul', lastChange.toConsul, status),
    lastFact('last change in Kubernetes', lastChange.toKubernetes, status),
    consul ? element('span', {}, 'Consul at ', name(consul.address)) : undefined,
    /^https?:\/\//.test(consulUi ?? '')
      ? element('a', { href: consulUi, rel: 'noopener noreferrer', target: '_blank' }, 'Consul’s UI')
      : undefined,
  ];
}

function lastFact(what, change, { time, toConsul, toKubernetes }) {
  if (!toConsul && !toKubernetes) return undefined;
  if (!change) return element('span', {}, `${what}: none since the start`);
  const age = span(Date.parse(time) - Date.parse(change.at));
  return element('span', {}, `${what}: ${age} ago, ${change.action} `, name(change.object));
}

function notice(kind, title, lines = []) {
  const items = lines.map((line) => element('li', {}, line));
  return element('div', { class: `notice ${kind}` }, title, items.length > 0 && element('ul', {}, ...items));
}

function noticesOf({ waitingFor, writes, configuration, consul, retained, leader, toConsul, toKubernetes }) {
  const { refused = null, needRestart = [] } = configuration ?? {};
  return [
    toConsul || toKubernetes ? undefined : elsewhere(leader),
    waitingFor.length > 0 && notice('bad', 'Not ready:', waitingFor),
    writes.enabled ? undefined : notice('bad', `Nothing is written since ${writes.since ?? 'the start'}:`, writes.by),
    refused !== null && notice('warn', 'The configuration file is refused, what it said before counts:', [refused]),
    leader.mistakes.length > 0 && notice('warn', 'Annotations on the Lease that do nothing:', leader.mistakes),
    needRestart.length > 0 && notice('warn', 'These settings are others in the file, and need a restart:', needRestart),
    consul?.wentBack &&
      notice('warn', 'Consul lost data:', [`${consul.wentBack.sign}, until ${consul.wentBack.until}`]),
    consul?.witnessMissing && notice('warn', 'Nothing that is missing from Consul goes:', [consul.witnessMissing]),
    consul?.ownEntryNotWritten &&
      notice('warn', 'The own entry in Consul cannot be written:', [consul.ownEntryNotWritten]),
    consul?.unfenced && notice('warn', 'Writes go without a fence:', [consul.unfenced]),
    retained?.length > 0 && notice('warn', 'Retained, because much was lost at once:', retained.map(retainedLine)),
  ];
}

/** A process that does not write knows nothing of the objects. */
function elsewhere({ is, leader, phase }) {
  const [host = ''] = (leader ?? '').split('_');
  if (is !== 'standby') return notice('calm', `This process is ${phase}: it has nothing to show yet.`);
  if (host === '') return notice('calm', 'This process stands by, and no leader is seen.');
  return element(
    'div',
    { class: 'notice calm' },
    'This process stands by and writes nothing. ',
    name(host, 'name'),
    ' leads, and its page shows what is where: ',
    element('code', {}, `kubectl -n consular port-forward pod/${host} 8080`),
  );
}

function retainedLine({ direction, service, instances, why, since, release }) {
  const what = `${instances} of ${service} (${direction}) since ${since}: ${why}. If they may go: `;
  return [what, element('code', {}, release)];
}

function sumsOf({ toConsul, toKubernetes, retained }) {
  const both = [toConsul, toKubernetes].filter((direction) => direction !== null);
  if (both.length === 0) return [];
  const sumOf = (field) => both.reduce((all, direction) => all + (direction[field] ?? 0), 0);
  const failing = both.reduce((all, direction) => all + Object.keys(direction.failing).length, 0);
  const retainedNow = (retained ?? []).reduce((all, row) => all + row.instances, 0);
  return [
    ['instances in Consul', toConsul ? amount(toConsul.instances) : 'off'],
    ['services in Kubernetes', toKubernetes ? amount(toKubernetes.services) : 'off'],
    ['rejected', sumOf('rejected'), 'warn'],
    ['held', sumOf('held'), 'warn'],
    ['retained', retainedNow, 'warn'],
    ['kept', sumOf('kept'), 'warn'],
    ['failing', failing, 'bad'],
    ['waiting', sumOf('waiting') + sumOf('busy')],
    ['not written', sumOf('unwritten'), 'warn'],
  ].filter(([what, value]) => !['retained', 'kept', 'not written'].includes(what) || value > 0);
}

function sum(what, value, kind = '') {
  const isTold = typeof value === 'number' && value > 0 && kind !== '';
  const text = typeof value === 'number' ? amount(value) : value;
  return element('div', {}, element('dt', {}, what), element('dd', isTold ? { class: kind } : {}, text));
}
