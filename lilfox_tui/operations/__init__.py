"""Small changes of a host that people and recovery make, each a job: a unit restarted, a process ended, an address
banned. What it will run and what that changes is known, and can be shown, before it is begun."""
