// Where the tasks of a workflow stand in its graph.

/**
 * The columns of the graph: each task is one column right of the last that it waits for.
 * Returns a Map of ref to {column, row}.
 */
export function places(tasks) {
  const byRef = new Map(tasks.map((task) => [task.ref, task]));
  const columns = new Map();
  const column = (ref) => {
    if (!columns.has(ref)) {
      columns.set(ref, 0);
      const before = byRef.get(ref).after.filter((each) => byRef.has(each)).map(column);
      columns.set(ref, before.length > 0 ? Math.max(...before) + 1 : 0);
    }
    return columns.get(ref);
  };
  const filled = [];
  return new Map(tasks.map((task) => {
    const at = column(task.ref);
    filled[at] = (filled[at] ?? -1) + 1;
    return [task.ref, { column: at, row: filled[at] }];
  }));
}
