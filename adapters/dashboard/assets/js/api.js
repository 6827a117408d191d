// Requests to the API, its problems, and the session.
import { parseExactly } from './format.js';

const ROOT = '/api/v1';
const TIMEOUT = 20_000;

/** An error that the API answered with (RFC 9457), or that kept it from answering. */
export class Problem extends Error {
  constructor(body, retryAfter) {
    super(body.detail || body.title || 'The request failed');
    this.name = 'Problem';
    this.status = body.status ?? 0;
    this.type = body.type ?? '';
    this.title = body.title ?? 'The request failed';
    this.detail = body.detail ?? '';
    this.requestId = body.request_id ?? '';
    /** [{field, detail}] of the request that were refused. */
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.taskStatus = body.task_status ?? '';
    /** Seconds after which the same request may succeed, 0 if it will not. */
    this.retryAfter = retryAfter;
  }

  /** The last part of the type: "task-not-found". */
  get kind() {
    return this.type.split(':').at(-1);
  }

  /** Whether the server was not reached. */
  get offline() {
    return this.status === 0;
  }
}

/** Whether an error is that of a request which was given up. */
export function isAbort(error) {
  return error?.name === 'AbortError';
}

/**
 * Sends a request and returns {data, headers, status}: data is the JSON of the
 * answer, null if there is none.
 *
 * options: `query` is an object whose null, undefined and empty values are left out;
 * `body` is sent as JSON; `headers`; `signal`; `timeout` in milliseconds. The path is
 * below /api/v1, or whole if it begins with a slash after "root:". With `exact`, numbers
 * that a double does not hold as they were sent are for prettyJSON only.
 *
 * Throws a Problem, or an AbortError if the signal ended.
 */
export async function send(method, path, options = {}) {
  const { query, body, headers = {}, signal, timeout = TIMEOUT, accept, exact } = options;
  const limit = AbortSignal.timeout(timeout);
  const init = {
    method,
    headers: { Accept: 'application/json', ...headers },
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  };
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let response;
  let text;
  try {
    response = await fetch(address(path, query), init);
    text = await response.text();
  } catch (error) {
    throw signal?.aborted ? abortError() : unreachable(error);
  }
  const data = parse(text, response, exact);
  if (!response.ok && !accept?.includes(response.status)) {
    throw failed(response, data);
  }
  return { data, headers: response.headers, status: response.status };
}

/** The address of a path with its query. */
export function address(path, query) {
  const base = path.startsWith('root:') ? path.slice('root:'.length) : ROOT + path;
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== '') {
      params.set(name, value);
    }
  }
  const text = params.toString();
  return text ? `${base}?${text}` : base;
}

function parse(text, response, exact) {
  const type = response.headers.get('Content-Type') ?? '';
  if (!text || !type.includes('json')) {
    return null;
  }
  try {
    return exact ? parseExactly(text) : JSON.parse(text);
  } catch {
    throw new Problem({
      status: response.status, title: 'The answer could not be read',
      detail: 'The server answered with something that is no JSON. A proxy in between may have changed it.',
      request_id: response.headers.get('X-Request-Id') ?? '',
    }, 0);
  }
}

function failed(response, data) {
  const problem = new Problem({
    status: response.status, title: `The server answered ${response.status}`,
    request_id: response.headers.get('X-Request-Id') ?? '', ...data,
  }, Number(response.headers.get('Retry-After')) || 0);
  if (problem.status === 401) {
    session.lost();
  }
  return problem;
}

function unreachable(error) {
  if (error?.name === 'TimeoutError') {
    return new Problem({ status: 0, title: 'The server did not answer in time', detail: 'It may be busy, or the connection to it is slow.' }, 0);
  }
  return new Problem({ status: 0, title: 'The server cannot be reached', detail: 'It may be stopped, or the connection to it was lost.' }, 0);
}

function abortError() {
  return new DOMException('The request was given up', 'AbortError');
}

/** GET: returns the data. */
export async function get(path, options) {
  return (await send('GET', path, options)).data;
}

/** How many empty pages of a list are passed over before the user has to ask for more. */
const EMPTY_PAGES = 20;

/**
 * GET of a list: returns the first page that has items under the name. A store that looks
 * through many items for few gives empty pages with a cursor.
 */
export async function getPage(path, name, options) {
  let page = await get(path, options);
  for (let n = 0; n < EMPTY_PAGES && page[name].length === 0 && page.next_cursor; n += 1) {
    page = await get(path, { ...options, query: { ...options.query, cursor: page.next_cursor } });
  }
  return page;
}

/** POST: returns the data. */
export async function post(path, body, options) {
  return (await send('POST', path, { ...options, body })).data;
}

/** DELETE: returns the data, null for 204. */
export async function del(path, options) {
  return (await send('DELETE', path, options)).data;
}

/** Readiness: {status, components}; 503 is an answer as well. */
export async function readiness(options) {
  return (await send('GET', 'root:/readyz', { ...options, accept: [503] })).data;
}

const RANKS = { '': 0, read: 1, write: 2, admin: 3 };

/**
 * Who the visitor is. It dispatches "change" when that changes; `required` is
 * whether keys are needed, `role` is "", "read", "write" or "admin".
 */
class Session extends EventTarget {
  required = false;
  name = '';
  role = 'admin';

  /** Whether the role is enough for what needs the other. */
  can(role) {
    return RANKS[this.role] >= RANKS[role];
  }

  get signedOut() {
    return this.required && this.role === '';
  }

  /** Asks the server. A server without sessions needs no key. */
  async load() {
    try {
      this.#set(await get('/session'));
    } catch (error) {
      if (error.status !== 404) {
        throw error;
      }
      this.#set({ auth_required: false, name: '', role: 'admin' });
    }
  }

  async signIn(key) {
    this.#set(await post('/session', { key }));
  }

  async signOut() {
    await del('/session');
    this.#set({ auth_required: true, name: '', role: '' });
  }

  /** A request was answered 401: the session has ended. */
  lost() {
    if (!this.signedOut) {
      this.#set({ auth_required: true, name: '', role: '' });
    }
  }

  #set({ auth_required: required, name, role }) {
    this.required = Boolean(required);
    this.name = name ?? '';
    this.role = role ?? '';
    this.dispatchEvent(new Event('change'));
  }
}

export const session = new Session();
