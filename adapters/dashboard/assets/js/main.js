// Starts the dashboard.
import { start } from './shell.js';

start();
