"""Small changes on a host, made by people and by recovery, each as a job: restart a unit, end a process, ban an
address. The command and its effect are known and can be shown before it starts."""
