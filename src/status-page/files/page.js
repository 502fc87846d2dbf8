import { element, fill } from './dom.js';
import { attentionCells, createList, podCells, serviceCells } from './lists.js';
import { showSummary } from './summary.js';

const REFRESH_MS = 5000;
const TYPING_MS = 250;
const LONGEST_MS = 15_000;

const place = (id) => document.getElementById(id);
const query = place('query');
const allServices = place('all-services');
const onTurn = () => refresh();

const attention = createList({
  ...{ section: place('attention'), columns: ['What', 'Why'], cellsOf: attentionCells, onTurn },
  empty: 'Nothing.',
});
const services = createList({
  ...{ section: place('services'), columns: ['In Consul', 'In Kubernetes'], cellsOf: serviceCells, onTurn },
  empty: 'No such service.',
});
const pods = createList({
  ...{ section: place('pods'), columns: ['In Kubernetes', 'In Consul'], cellsOf: podCells, onTurn },
  empty: 'No such pod.',
});

async function ask(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(LONGEST_MS) });
  const text = await response.text();
  if (!response.ok) throw new Error(reasonIn(text) ?? `${path}: ${response.status} ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

/** Why Consular has no answer, in its own words; undefined where these are not there. */
function reasonIn(text) {
  try {
    const { error } = JSON.parse(text);
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}

let refreshedAt;
/** Of the refreshes that are on their way the last one counts: what was typed meanwhile is newer. */
let latest = 0;

let onTheirWay = 0;

async function refresh() {
  const mine = ++latest;
  onTheirWay++;
  const current = (asked) => async (path) => {
    const answer = await asked(path);
    if (mine !== latest) throw new Superseded();
    return answer;
  };
  const get = current(ask);
  try {
    const status = await get('/status');
    showSummary(status);
    await refreshLists(status, get);
    refreshedAt = new Date();
    fill(place('trouble'));
    fill(place('refreshed'), `refreshed at ${refreshedAt.toLocaleTimeString()}`);
  } catch (error) {
    if (!(error instanceof Superseded)) tell(error);
  } finally {
    onTheirWay--;
  }
}

class Superseded extends Error {}

function tell(error) {
  const since = refreshedAt ? ` What is shown is of ${refreshedAt.toLocaleTimeString()}.` : '';
  fill(place('trouble'), element('div', { class: 'notice bad' }, `No answer from Consular: ${error.message}.${since}`));
}

async function refreshLists({ toConsul, toKubernetes, consulUi }, get) {
  place('lists').hidden = !toConsul && !toKubernetes;
  place('services').hidden = !toKubernetes;
  place('pods').hidden = !toConsul;
  if (!toConsul && !toKubernetes) return;
  const words = query.value;
  const found = await Promise.all([
    attention.refresh('/status/attention', words, consulUi, get),
    toKubernetes &&
      services.refresh(allServices.checked ? '/status/services' : '/status/mirrored', words, consulUi, get),
    toConsul && pods.refresh('/status/pods', words, consulUi, get),
  ]);
  place('attention').hidden = found[0].total === 0;
}

function begin() {
  for (const list of [attention, services, pods]) list.begin();
  const parameters = new URLSearchParams(query.value === '' ? {} : { query: query.value });
  history.replaceState(null, '', parameters.size === 0 ? '/' : `/?${parameters}`);
  refresh();
}

let typing;
query.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(begin, TYPING_MS);
});
allServices.addEventListener('change', begin);
const isWanted = () => place('refreshing').checked && document.visibilityState === 'visible';
document.addEventListener('visibilitychange', () => isWanted() && refresh());
// A server that is slower than this is not asked for more.
setInterval(() => isWanted() && onTheirWay === 0 && refresh(), REFRESH_MS);

query.value = (new URLSearchParams(location.search).get('query') ?? '').slice(0, 200);
refresh();
