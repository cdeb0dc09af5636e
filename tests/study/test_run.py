import subprocess
import sys

import pytest

from ultralow.errors import StudyError
from ultralow.study.workflow import alone


def test_a_results_folder_stays_taken_while_the_jobs_of_a_killed_run_go_on(tmp_path):
    with alone(tmp_path) as lock:
        with pytest.raises(StudyError, match="another run is at work in"), alone(tmp_path):
            pass
        jobs = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=(lock,))
    try:
        with pytest.raises(StudyError, match="another run is at work in"), alone(tmp_path):
            pass
    finally:
        jobs.kill()
        jobs.wait()
    with alone(tmp_path):
        pass
