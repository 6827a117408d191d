package portstest

// workflowCases are the promises of a ports.WorkflowKeeper.
var workflowCases = []storeCase{}
