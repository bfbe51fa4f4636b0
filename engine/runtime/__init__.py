"""The trio shell: tasks, scopes and channels around the pure rooms. Receives a venue, never imports one."""
