// Paths to pages about one thing. Pages and their parts import these; the table of
// pages, in routes.js, imports the pages.

export const paths = {
  task: (id) => `/ui/tasks/${encodeURIComponent(id)}`,
  schedule: (name) => `/ui/schedules/${encodeURIComponent(name)}`,
  workflow: (id) => `/ui/workflows/${encodeURIComponent(id)}`,
  anomaly: (id) => `/ui/anomalies/${encodeURIComponent(id)}`,
  /** A list with filters: list('/ui/tasks', {status: 'FAILED'}). */
  list(path, query) {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== '' && value !== null && value !== undefined) {
        params.set(name, value);
      }
    }
    const text = params.toString();
    return text ? `${path}?${text}` : path;
  },
};
