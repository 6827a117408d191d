// The table of pages. The paths are those of pagePaths in handler.go.

/**
 * path: `:name` is one part of the path. nav: the label in the navigation, for pages
 * that are listed there; key: pressed after "g"; section: the entry of the navigation
 * that a page belongs to. load: fetches the page's module.
 */
export const routes = [
  { path: '/', title: 'Overview', nav: 'Overview', icon: 'overview', key: 'o', section: '/', load: () => import('./pages/overview.js') },
  { path: '/ui/tasks', title: 'Tasks', nav: 'Tasks', icon: 'tasks', key: 't', section: '/ui/tasks', load: () => import('./pages/tasks.js') },
  { path: '/ui/tasks/:id', title: 'Task', section: '/ui/tasks', load: () => import('./pages/task.js') },
  { path: '/ui/dead', title: 'Dead letters', nav: 'Dead letters', icon: 'warning', key: 'd', section: '/ui/dead', load: () => import('./pages/dead.js') },
  { path: '/ui/anomalies', title: 'Anomalies', nav: 'Anomalies', icon: 'anomalies', key: 'a', section: '/ui/anomalies', load: () => import('./pages/anomalies.js') },
  { path: '/ui/anomalies/:id', title: 'Anomaly', section: '/ui/anomalies', load: () => import('./pages/anomaly.js') },
  { path: '/ui/logs', title: 'Logs', nav: 'Logs', icon: 'logs', key: 'l', section: '/ui/logs', load: () => import('./pages/logs.js') },
  { path: '/ui/workers', title: 'Workers', nav: 'Workers', icon: 'workers', key: 'w', section: '/ui/workers', load: () => import('./pages/workers.js') },
  { path: '/ui/queues', title: 'Queues', nav: 'Queues', icon: 'queues', key: 'q', section: '/ui/queues', load: () => import('./pages/queues.js') },
  { path: '/ui/schedules', title: 'Schedules', nav: 'Schedules', icon: 'schedules', key: 'c', section: '/ui/schedules', load: () => import('./pages/schedules.js') },
  { path: '/ui/schedules/:name', title: 'Schedule', section: '/ui/schedules', load: () => import('./pages/schedule.js') },
  { path: '/ui/workflows', title: 'Workflows', nav: 'Workflows', icon: 'workflows', key: 'f', section: '/ui/workflows', load: () => import('./pages/workflows.js') },
  { path: '/ui/workflows/:id', title: 'Workflow', section: '/ui/workflows', load: () => import('./pages/workflow.js') },
  { path: '/ui/settings', title: 'Settings', nav: 'Settings', icon: 'settings', key: 's', section: '/ui/settings', load: () => import('./pages/settings.js') },
];

/** Finds the route of a path: {route, params}, or null. */
export function matchRoute(pathname, table = routes) {
  const parts = split(pathname);
  for (const route of table) {
    const params = matchParts(split(route.path), parts);
    if (params) {
      return { route, params };
    }
  }
  return null;
}

function split(path) {
  return path === '/' ? [''] : path.slice(1).split('/');
}

function matchParts(pattern, parts) {
  if (pattern.length !== parts.length) {
    return null;
  }
  const params = {};
  for (let i = 0; i < pattern.length; i += 1) {
    if (!pattern[i].startsWith(':')) {
      if (pattern[i] !== parts[i]) {
        return null;
      }
      continue;
    }
    try {
      params[pattern[i].slice(1)] = decodeURIComponent(parts[i]);
    } catch {
      return null;
    }
    if (parts[i] === '') {
      return null;
    }
  }
  return params;
}
